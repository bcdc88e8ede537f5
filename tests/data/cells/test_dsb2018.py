from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.cells.made import NUMBERS, labels, write_png

from napari_construct.data.cells.open_cells import open_cells, stated_split
from napari_construct.exceptions import DatasetError


def write_bowl(root: Path, names: list[str], *, masks: bool = True) -> None:
    """As BBBC038: a folder per image, RGBA that is grey, one mask per nucleus."""
    for i, name in enumerate(names):
        grey = NUMBERS.integers(0, 255, (40, 50, 1), dtype=np.uint8)
        picture = np.concatenate([grey, grey, grey, np.full_like(grey, 255)], axis=2)
        write_png(root / name / "images" / f"{name}.png", picture)
        found = labels(shift=i)
        for cell in (5, 9, 300) if masks else ():
            write_png(root / name / "masks" / f"{cell:04d}.png", (found == cell).astype(np.uint8) * 255)


def test_masks_become_cells(tmp_path: Path) -> None:
    write_bowl(tmp_path / "stage1_train", ["0a", "1b", "2c"])
    dataset = open_cells(tmp_path / "stage1_train")
    assert dataset.names == dataset.groups == ("0a", "1b", "2c")
    assert dataset.channels == ("0",)
    for i in range(3):
        truth = dataset.load(i).truth
        assert truth is not None
        assert truth.dtype == np.int32
        expected = np.select([labels(shift=i) == cell for cell in (5, 9, 300)], [1, 2, 3])
        np.testing.assert_array_equal(truth, expected)
    (alpha, grey) = dataset.notices
    assert alpha.endswith("the alpha channel is dropped (and 2 more images)")
    assert grey.endswith("one channel is read (and 2 more images)")


def test_the_whole_download(tmp_path: Path) -> None:
    write_bowl(tmp_path / "stage1_train", ["0a", "1b"])
    write_bowl(tmp_path / "stage1_test", ["3d"], masks=False)
    dataset = open_cells(tmp_path)
    assert dataset.names == ("train/0a", "train/1b")
    assert stated_split(dataset) is None
    assert any("stage1_test is left out" in notice for notice in dataset.notices)
    test = open_cells(tmp_path / "stage1_test")
    assert test.has_truth == (False,)
    assert test.load(0).truth is None


def test_stained_sections_and_odd_folders_are_left_out(tmp_path: Path) -> None:
    write_bowl(tmp_path, ["0a", "1b", "2c"])
    write_png(tmp_path / "purple" / "images" / "a.png", NUMBERS.integers(0, 255, (40, 50, 3), dtype=np.uint8))
    (tmp_path / "empty" / "images").mkdir(parents=True)
    write_bowl(tmp_path, ["broken"])
    (tmp_path / "broken" / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    dataset = open_cells(tmp_path)
    assert dataset.names == ("0a", "1b", "2c")
    text = "\n".join(dataset.notices)
    assert "1 folder(s) without exactly one image in images are left out (empty)" in text
    assert "1 of 4 image(s) have other channels than 0 and are left out (purple)" in text
    assert "1 image(s) cannot be used and are left out; the first:" in text


def test_masks_of_another_size(tmp_path: Path) -> None:
    write_bowl(tmp_path, ["0a"])
    write_png(tmp_path / "0a" / "masks" / "x.png", np.zeros((50, 40), np.uint8))
    error = r"x.png: expected a mask of 40 x 50 pixels as its image 0a.png has, got 50 x 40"
    with pytest.raises(DatasetError, match=error):
        open_cells(tmp_path)


def test_overlaps_are_told(tmp_path: Path) -> None:
    write_bowl(tmp_path, ["0a"])
    write_png(tmp_path / "0a" / "masks" / "9999.png", (labels() == 9).astype(np.uint8) * 255)
    dataset = open_cells(tmp_path)
    assert any("overlap in 64 pixel(s)" in notice for notice in dataset.notices)
    truth = dataset.load(0).truth
    assert truth is not None
    assert set(np.unique(truth)) == {0, 1, 3, 4}


def test_nothing_of_use(tmp_path: Path) -> None:
    (tmp_path / "a" / "images").mkdir(parents=True)
    with pytest.raises(DatasetError, match="none of 1 folders holds one image in images"):
        open_cells(tmp_path)
