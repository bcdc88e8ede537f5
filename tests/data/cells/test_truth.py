from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.data.cells.made import labels, write_png

from napari_construct.data.cells.truth import instances_of, read_truth
from napari_construct.exceptions import InputError


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.float32, np.uint32])
def test_numbers_stay(dtype: Any) -> None:
    truth = instances_of(labels().astype(dtype), "a")
    assert truth.instances.dtype == np.int32
    assert not truth.split
    np.testing.assert_array_equal(truth.instances, labels())


@pytest.mark.parametrize("value", [1, 255, True])
def test_masks_without_numbers_are_parted(value: Any) -> None:
    mask = (labels() > 0) * np.array(value)
    mask[30, 45] = mask[20, 30]  # touches the third cell at a corner
    truth = instances_of(mask, "a")
    assert truth.split
    assert np.unique(truth.instances).tolist() == [0, 1, 2]
    assert len(np.unique(truth.instances[:, :25])) == 2  # cells that touch are one
    assert truth.instances[30, 45] == truth.instances[20, 30]
    np.testing.assert_array_equal(truth.instances > 0, mask > 0)


def test_one_cell_and_none() -> None:
    one = instances_of((labels() == 300).astype(np.uint8), "a")
    assert (one.instances.max(), one.split) == (1, False)
    assert not instances_of(np.zeros((4, 5), np.uint8), "a").instances.any()
    known = instances_of((labels() > 0).astype(np.uint8), "a", numbered=True)
    assert (known.instances.max(), known.split) == (1, False)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (np.full((4, 4), 0.5), "expected whole numbers of cells, got float64"),
        (np.full((4, 4), np.nan), "expected whole numbers"),
        (np.full((4, 4), -1), "from 0 to 2,147,483,647, got -1 to -1"),
        (np.full((4, 4), 2**40), "got 1099511627776"),
        (np.full((4, 4), 1e20), "got 1e\\+20"),
        (np.zeros((1, 4, 4), int), r"expected a mask \(h, w\)"),
    ],
)
def test_what_is_refused(values: np.ndarray, error: str) -> None:
    with pytest.raises(InputError, match=f"^m: .*{error}"):
        instances_of(values, "m")


def test_files(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", labels())
    tifffile.imwrite(tmp_path / "a.tif", labels().astype(np.int32))
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_truth(tmp_path / name).instances, labels())
    colours = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    write_png(tmp_path / "b.png", colours)
    with pytest.raises(InputError, match="got an RGB image of colours"):
        read_truth(tmp_path / "b.png")
    with pytest.raises(InputError, match="expected at most 100 pixels"):
        read_truth(tmp_path / "a.tif", max_pixels=100)
