"""YCbCr with fewer colour samples than brightness, packed without JPEG (TIFF 6.0 section 21).

A data unit holds the brightness of 1, 2 or 4 rows and columns of pixels, then one Cb and one Cr for all
of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.data.limits import damaged, unsupported
from napari_construct.data.tiff.checks import segments_inside, sides_of

_YCBCR, _CONTIGUOUS, _UNCOMPRESSED = 6, 1, 1
_JPEGS: Final = frozenset({6, 7, 34892, 33007})
_PLAIN_CODECS: Final = frozenset({5, 8, 32773, 32946, 50000, 34925})
"""Codecs of bytes: LZW, Deflate (two numbers), PackBits, Zstandard, LZMA."""

_REMEDY: Final = "save it as RGB"


def is_subsampled(page: Any) -> bool:
    """Whether a page is packed so. Without a tag the factors are 2 and 2."""
    return (
        int(page.photometric) == _YCBCR and page.is_subsampled and int(page.compression) not in _JPEGS
    )  # JPEG's decoder returns pixels


def unpack(path: Path, page: Any, part: tuple[slice, slice]) -> NDArray[np.uint8]:
    """(h, w, 3) YCbCr of a part of a page; each pixel of a data unit gets its Cb and Cr.

    Raises
    ------
    InputError
        If the packing is another one, or the data do not fill the page.
    """
    compression = int(page.compression)
    if (
        page.bitspersample != 8
        or page.samplesperpixel != 3
        or int(page.planarconfig) != _CONTIGUOUS
        or int(page.predictor) != 1
        or int(page.fillorder) != 1
        or (compression != _UNCOMPRESSED and compression not in _PLAIN_CODECS)
    ):
        raise unsupported(path, "YCbCr with fewer colour samples in a rare packing", _REMEDY)
    across, down = page.subsampling or (2, 2)
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise damaged(path, f"colour samples for {across} x {down} pixels")
    height, width = sides_of(page)
    columns = -(-page.imagewidth // width)
    rows, cols = part
    out = np.zeros((rows.stop - rows.start, cols.stop - cols.start, 3), np.uint8)
    for index in segments_inside(page, rows, cols):
        top, left = index // columns * height, index % columns * width
        lines = height if page.is_tiled else min(height, page.imagelength - top)
        pixels = _segment(path, page, index, (lines, width), (down, across))
        into_rows = slice(max(top, rows.start), min(top + lines, rows.stop))
        into_cols = slice(max(left, cols.start), min(left + width, cols.stop))
        out[
            into_rows.start - rows.start : into_rows.stop - rows.start,
            into_cols.start - cols.start : into_cols.stop - cols.start,
        ] = pixels[
            into_rows.start - top : into_rows.stop - top, into_cols.start - left : into_cols.stop - left
        ]
    return out


def _segment(
    path: Path, page: Any, index: int, shape: tuple[int, int], factors: tuple[int, int]
) -> NDArray[np.uint8]:
    """(h, w, 3) of one strip or tile."""
    (height, width), (down, across) = shape, factors
    unit = down * across + 2
    high, wide = -(-height // down), -(-width // across)
    stream = page.parent.filehandle
    stream.seek(page.dataoffsets[index])
    raw: Any = stream.read(page.databytecounts[index])
    most = max(height * width * 3, high * wide * unit)
    if int(page.compression) != _UNCOMPRESSED:
        raw = tifffile.TIFF.DECOMPRESSORS[int(page.compression)](raw, out=most)
    samples = np.frombuffer(raw, np.uint8)
    if page.subsampling is None and len(samples) >= height * width * 3:
        return samples[: height * width * 3].reshape(height, width, 3)  # a writer that left the tag out
    if len(samples) < high * wide * unit:
        raise damaged(path, f"a segment of {len(samples):,} bytes, {high * wide * unit:,} are missing")
    units = samples[: high * wide * unit].reshape(high, wide, unit)
    y = units[..., : down * across].reshape(high, wide, down, across).swapaxes(1, 2)
    y = y.reshape(high * down, wide * across)[:height, :width]
    chroma = units[..., -2:].repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
    return np.concatenate([y[..., None], chroma], axis=2)
