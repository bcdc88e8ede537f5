from __future__ import annotations

import numpy as np
import pytest
from tests.data.cells.made import labels, write_png, write_tiff

from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.open_cells import open_cells
from napari_construct.data.cells.split import split_groups
from napari_construct.data.cells.subset import subset
from napari_construct.exceptions import ConfigurationError, DatasetError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CellDataset:
    """Ten images of four patients; five of the images with truth."""
    root = tmp_path_factory.mktemp("cells")
    for i, patient in enumerate("aaaabbbccd"):
        write_tiff(root / "images" / f"{patient}_{i}.tif")
        if i % 2 == 0:
            write_png(root / "masks" / f"{patient}_{i}.png", labels())
    return open_cells(root, group_pattern="[a-d]")


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_on_both_sides(dataset: CellDataset, seed: int) -> None:
    train, val = split_groups(dataset, 0.3, seed)
    assert sorted([*train, *val]) == list(range(10))
    assert not {dataset.groups[i] for i in train} & {dataset.groups[i] for i in val}
    assert 2 <= len(val) <= 4
    again = split_groups(dataset, 0.3, seed)
    np.testing.assert_array_equal(again[1], val)


def test_what_cannot_be_split(dataset: CellDataset) -> None:
    with pytest.raises(DatasetError, match="expected at least 2 groups to split, got 1 of 4"):
        split_groups(subset(dataset, range(4)))
    for share in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigurationError, match="between 0 and 1"):
            split_groups(dataset, share)


def test_subset(dataset: CellDataset) -> None:
    part = subset(dataset, [9, 0])
    assert isinstance(part, CellDataset)
    assert (part.names, part.groups, part.has_truth) == (("d_9", "a_0"), ("d", "a"), (False, True))
    assert (len(part), part.channels, part.notices) == (2, dataset.channels, dataset.notices)
    np.testing.assert_array_equal(part.load(1).image.pixels, dataset.load(0).image.pixels)
    assert part.fingerprint != dataset.fingerprint
    assert (
        part.fingerprint
        == subset(dataset, np.array([9, 0])).fingerprint
        != subset(dataset, [0, 9]).fingerprint
    )
    assert subset(dataset, np.array(dataset.has_truth)).names == subset(dataset, [0, 2, 4, 6, 8]).names
    assert subset(part, [1]).names == ("a_0",)


@pytest.mark.parametrize("indices", [[10], [-1], [0, 0], [0.5], [True], [[0]]])
def test_indices_that_are_none(dataset: CellDataset, indices: list[object]) -> None:
    with pytest.raises(DatasetError, match="expected"):
        subset(dataset, indices)
