"""Files that are no slides, or damaged ones: each is named with the reason and what to do."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_construct.data.slides.slide import open_slide
from napari_construct.exceptions import InputError

IMAGE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)


def slide_bytes(folder: Path, **options: Any) -> bytes:
    path = folder / "whole.tif"
    defaults: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (64, 64),
        "compression": "jpeg",
        "metadata": None,
    }
    tifffile.imwrite(path, IMAGE, **defaults | options)
    return path.read_bytes()


def test_what_is_no_slide_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty.svs").write_bytes(b"")
    (tmp_path / "text.svs").write_text("This is no slide.\n" * 50)
    (tmp_path / "folder.svs").mkdir()
    (tmp_path / "alone.mrxs").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    expected = {
        "empty.svs": r"empty.*get it again",
        "text.svs": r"SVS, NDPI, MRXS.*something else.*tiled TIFF",
        "folder.svs": r"got a folder; name a file in it",
        "absent.svs": r"nothing there; check the path",
        "alone.mrxs": r"a folder 'alone' beside the MRXS",
    }
    for name, reason in expected.items():
        with pytest.raises(InputError, match=reason) as caught:
            open_slide(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no place among files there")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.svs")
    with pytest.raises(InputError, match="pipe"):
        open_slide(tmp_path / "a.svs")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("reader", [None, "openslide"])
def test_truncated_files(tmp_path: Path, share: float, reader: Any) -> None:
    whole = slide_bytes(tmp_path)
    path = tmp_path / "a.svs"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"a\.svs: expected .*, .*; ."):
        open_slide(path, reader=reader).read(0, 0, 0, 300, 400)


def test_a_damaged_tile_is_an_error_where_it_is_read_and_nowhere_else(tmp_path: Path) -> None:
    data = bytearray(slide_bytes(tmp_path, compression="deflate"))
    with tifffile.TiffFile(tmp_path / "whole.tif") as tif:
        page = tif.pages.first
        offset, count = page.dataoffsets[9], page.databytecounts[9]
    data[offset : offset + count] = bytes(count)
    (tmp_path / "a.tif").write_bytes(data)
    with open_slide(tmp_path / "a.tif") as slide:
        with pytest.raises(InputError, match=r"a\.tif.*damaged"):
            slide.read(0, 64, 128, 64, 64)
        assert np.array_equal(slide.read(0, 0, 0, 64, 400), IMAGE[:64])
    with open_slide(tmp_path / "a.tif", reader="openslide") as slide:
        with pytest.raises(InputError, match=r"a\.tif.*damaged"):
            slide.read(0, 64, 128, 64, 64)
        assert np.array_equal(slide.read(0, 0, 0, 64, 400), IMAGE[:64])  # its handle was broken


def test_tiles_that_claim_to_be_huge_are_not_decoded(tmp_path: Path) -> None:
    data = bytearray(slide_bytes(tmp_path))
    with tifffile.TiffFile(tmp_path / "whole.tif") as tif:
        page = tif.pages.first
        offset, count = page.dataoffsets[0], page.databytecounts[0]
    frame = data.index(b"\xff\xc0", offset, offset + count)
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65000, 65000)
    (tmp_path / "a.tif").write_bytes(data)
    with open_slide(tmp_path / "a.tif") as slide, pytest.raises(InputError, match="65,000 x 65,000"):
        slide.read(0, 0, 0, 64, 64)


def test_sides_and_tiles_that_are_absurd_are_refused(tmp_path: Path) -> None:
    whole = slide_bytes(tmp_path, compression=None)
    for tag, value in ((256, 2**31), (257, 2**31), (322, 2**20), (323, 2**20)):
        data = bytearray(whole)
        with tifffile.TiffFile(tmp_path / "whole.tif") as tif:
            found = tif.pages.first.tags[tag]
        kind = "<HHII" if data[2] == 42 else "<HHQI"
        data[found.offset : found.offset + 12] = struct.pack(kind, tag, 4, 1, value)[:12]
        (tmp_path / "a.tif").write_bytes(data)
        with pytest.raises(InputError):
            open_slide(tmp_path / "a.tif").read(0, 0, 0, 64, 64)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about: about.update(multiscales=[]),
        lambda about: about["multiscales"][0].update(datasets=[]),
        lambda about: about["multiscales"][0].update(axes=[{"name": "y"}, {"name": "x"}]),
        lambda about: about["multiscales"][0]["datasets"][0].update(path="../../elsewhere"),
        lambda about: about["multiscales"][0]["datasets"][0].update(path="nothing"),
        lambda about: about.update(multiscales="none"),
    ],
)
def test_damaged_metadata_of_ome_zarr(tmp_path: Path, spoil: Callable[[Any], None]) -> None:
    folder = write_zarr(tmp_path / "a.zarr")
    about = json.loads((folder / "zarr.json").read_text())
    spoil(about["attributes"]["ome"])
    (folder / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"a\.zarr"):
        open_slide(folder)


def write_zarr(path: Path) -> Path:
    root: Any = zarr.open_group(path, mode="w", zarr_format=3)
    array = root.create_array("0", shape=IMAGE.shape, dtype="uint8", chunks=(64, 64, 3))
    array[:] = IMAGE
    axes = [{"name": a, "type": "space"} for a in "yx"] + [{"name": "c", "type": "channel"}]
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    return path


def test_a_damaged_chunk_is_an_error_where_it_is_read(tmp_path: Path) -> None:
    folder = write_zarr(tmp_path / "a.zarr")
    chunk = folder / "0" / "c" / "1" / "2" / "0"
    chunk.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(50))
    with open_slide(folder) as slide:
        assert slide.mpp is None
        with pytest.raises(InputError, match=r"a\.zarr"):
            slide.read(0, 64, 128, 64, 64)
        assert np.array_equal(slide.read(0, 0, 0, 64, 400), IMAGE[:64])
