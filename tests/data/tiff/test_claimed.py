"""Strips and tiles that claim to be larger than their place are refused before they are decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from napari_construct.data.images import read_image
from napari_construct.data.tiff.claimed import claimed_size, claims_size
from napari_construct.exceptions import InputError

SIZES = [(64, 64), (8, 16), (100, 37), (300, 200), (513, 1025), (5000, 20)]
ENCODERS: dict[int, list[Any]] = {
    7: [imagecodecs.jpeg_encode],
    34712: [imagecodecs.jpeg2k_encode],
    34933: [imagecodecs.png_encode],
    50001: [imagecodecs.webp_encode],
    50002: [imagecodecs.jpegxl_encode, lambda a: imagecodecs.jpegxl_encode(a, usecontainer=True)],
    22610: [imagecodecs.jpegxr_encode],
    34887: [imagecodecs.lerc_encode, lambda a: imagecodecs.lerc_encode(a[..., 0])],
}


def tiff(path: Path, compression: int, data: bytes, samples: int = 3, side: int = 64) -> Path:
    """One tile, as stored."""
    short, long = 3, 4
    at = 8 + 2 + 12 * 10 + 4
    tags = [
        (256, short, side), (257, short, side), (258, short, 8), (259, short, compression),
        (262, short, 2 if samples == 3 else 1), (277, short, samples), (322, short, side),
        (323, short, side), (324, long, at), (325, long, len(data)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)
    return path


@pytest.mark.parametrize("compression", ENCODERS)
@pytest.mark.parametrize("size", SIZES)
def test_the_size_is_the_decoders(compression: int, size: tuple[int, int]) -> None:
    for encode in ENCODERS[compression]:
        data = bytes(encode(np.zeros((*size, 3), np.uint8)))
        assert claims_size(compression)
        assert claimed_size(Path("a.tif"), compression, data) == size


@pytest.mark.parametrize("compression", ENCODERS)
def test_bombs_are_refused(tmp_path: Path, compression: int) -> None:
    for encode in ENCODERS[compression]:
        data = bytes(encode(np.zeros((1500, 1500, 3), np.uint8)))
        with pytest.raises(InputError, match="claims 1,500 x 1,500 pixels"):
            read_image(tiff(tmp_path / "a.tif", compression, data))


@pytest.mark.parametrize("compression", [50001, 50002, 22610])
def test_tiles_that_fit_are_read(tmp_path: Path, compression: int) -> None:
    pixels = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    data = bytes(ENCODERS[compression][0](pixels))
    found = read_image(tiff(tmp_path / "a.tif", compression, data)).pixels
    np.testing.assert_allclose(found.astype(int), pixels, atol=8)


@pytest.mark.parametrize("compression", ENCODERS)
@pytest.mark.parametrize("length", [3, 9, 17])
def test_headers_that_end_early_are_refused(tmp_path: Path, compression: int, length: int) -> None:
    data = bytes(ENCODERS[compression][0](np.zeros((64, 64, 3), np.uint8)))[:length]
    with pytest.raises(InputError):
        read_image(tiff(tmp_path / "a.tif", compression, data))
