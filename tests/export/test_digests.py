"""What was written is known again by size and SHA-256."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.export.digests import digest, is_unchanged
from napari_construct.export.ome_zarr import write_ome_zarr

CLASSES = ClassTable.from_names(("tumour", "lymphoid"))


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found = digest(path)
    assert found.size == 3
    assert found.sha256.startswith("ba7816bf")
    assert is_unchanged(path, found.size, found.sha256)
    for content in (b"", b"abd", b"abcd"):
        path.write_bytes(content)
        assert not is_unchanged(path, found.size, found.sha256)
    path.unlink()
    assert not is_unchanged(path, found.size, found.sha256)
    os.mkfifo(path)
    assert not is_unchanged(path, 0, found.sha256)  # without waiting for a writer


@pytest.mark.parametrize(
    "damage", ["labels/tissue/0/c/0/0", "labels/tissue/zarr.json", "zarr.json", "0/c/0/0/0", "0/zarr.json"]
)
def test_an_ome_zarr(tmp_path: Path, damage: str) -> None:
    path, labels = tmp_path / "a.ome.zarr", np.random.default_rng(0).integers(0, 3, (64, 64), dtype=np.uint8)
    write_ome_zarr(path, np.dstack([labels] * 3), labels, CLASSES)
    found = digest(path)
    (path / ".DS_Store").write_bytes(b"of the system")
    (path / "labels" / "nuclei").mkdir()
    assert is_unchanged(path, found.size, found.sha256)
    content = bytearray((path / damage).read_bytes())
    if damage.startswith("0/"):
        content.append(0)  # of the image only sizes count
    else:
        content[-5] ^= 1
    (path / damage).write_bytes(content)
    assert not is_unchanged(path, found.size, found.sha256)
