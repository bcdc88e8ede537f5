from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.export.overlay import write_overlay
from napari_construct.export.tiff import write_cams, write_mask
from napari_construct.reading.marks import SOFTWARE, has_mark

PIXELS = np.zeros((20, 30, 3), np.uint8)
TWO = ClassTable.from_names(("a", "b"))


def test_what_is_written_here_is_marked(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.tif", PIXELS[..., 0], TWO)
    write_cams(tmp_path / "c.ome.tif", np.zeros((2, 20, 30), np.float32), TWO)
    write_overlay(tmp_path / "o.png", PIXELS, PIXELS[..., 0], TWO)
    assert all(has_mark(path) for path in tmp_path.iterdir())


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("software", [SOFTWARE, "x", "another program", f"{SOFTWARE} of others", None])
def test_the_mark_of_every_tiff(tmp_path: Path, order: str, big: bool, software: str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, byteorder=order, bigtiff=big, software=software or False)
    assert has_mark(path) == (software == SOFTWARE)


def test_other_files_have_none(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "bmp"):
        Image.fromarray(PIXELS).save(tmp_path / f"a.{suffix}")
    (tmp_path / "empty.tif").touch()
    (tmp_path / "folder.tif").mkdir()
    assert not any(has_mark(path) for path in (*tmp_path.iterdir(), tmp_path / "gone.tif"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    assert not has_mark(tmp_path / "pipe.tif")


@settings(deadline=None, max_examples=200)
@given(
    start=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG"]), rest=st.binary(max_size=200)
)
def test_damaged_files_have_none(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(start + rest)
    assert not has_mark(path)
