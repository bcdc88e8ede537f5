from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.data.cells.made import write_tissuenet

from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.open_cells import open_cells, stated_split
from napari_construct.data.images import MAX_PIXELS
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.reading.npz import archive


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("labels", ["whole_cell", "nuclear"])
def test_images_and_the_chosen_labels(tmp_path: Path, packed: bool, labels: str) -> None:
    arrays = write_tissuenet(tmp_path / "a.npz", packed=packed)
    dataset = open_cells(tmp_path / "a.npz", labels=labels)
    assert isinstance(dataset, CellDataset)
    assert len(dataset) == 6
    assert dataset.channels == ("nuclear", "membrane")
    assert dataset.has_truth == (True,) * 6
    assert dataset.names == ("0", "1", "2", "3", "4", "5")
    target = ("whole_cell", "nuclear").index(labels)
    for i in (4, 0, 5):
        item = dataset.load(i)
        np.testing.assert_array_equal(item.image.pixels, np.moveaxis(arrays["X"][i], -1, 0))
        assert item.image.mpp is None
        assert item.truth is not None
        assert item.truth.dtype == np.int32
        np.testing.assert_array_equal(item.truth, arrays["y"][i, ..., target])
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.load(3).image.pixels, dataset.load(3).image.pixels)


def test_nothing_is_unpacked_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tissuenet(tmp_path / "a.npz")
    monkeypatch.setattr(archive.NpzArray, "_read", lambda *_: pytest.fail("read"))
    assert len(open_cells(tmp_path / "a.npz")) == 6


def test_channels_and_resolution_that_are_given(tmp_path: Path) -> None:
    arrays = write_tissuenet(tmp_path / "a.npz")
    dataset = open_cells(tmp_path / "a.npz", channels=["membrane"], mpp=0.5)
    item = dataset.load(1)
    assert (dataset.channels, item.image.names, item.image.mpp) == (("membrane",), ("membrane",), 0.5)
    np.testing.assert_array_equal(item.image.pixels[0], arrays["X"][1, ..., 1])
    with pytest.raises(ConfigurationError, match="channels 0 nuclear, 1 membrane, got 'CD8'"):
        open_cells(tmp_path / "a.npz", channels=["CD8"])


def test_groups(tmp_path: Path) -> None:
    tissue = np.array(["pancreas", "breast", "skin"] * 2)
    platform = np.array(["codex"] * 3 + ["mibi"] * 3)
    write_tissuenet(tmp_path / "a.npz", tissue_list=tissue, platform_list=platform)
    dataset = open_cells(tmp_path / "a.npz")
    assert dataset.groups[:4] == ("pancreas/codex", "breast/codex", "skin/codex", "pancreas/mibi")
    assert dataset.notices == ()
    write_tissuenet(tmp_path / "b.npz", meta=np.array([{"a": 1}], dtype=object))
    dataset = open_cells(tmp_path / "b.npz")
    assert dataset.groups == dataset.names
    (notice,) = dataset.notices
    assert "meta holds Python objects, which are never loaded" in notice


def test_fingerprint(tmp_path: Path) -> None:
    arrays = write_tissuenet(tmp_path / "a.npz")
    first = open_cells(tmp_path / "a.npz").fingerprint
    assert first == open_cells(tmp_path / "a.npz").fingerprint
    assert first != open_cells(tmp_path / "a.npz", labels="nuclear").fingerprint
    assert first != open_cells(tmp_path / "a.npz", channels=[0]).fingerprint
    arrays["X"][3, 0, 0, 0] += 1
    write_tissuenet(tmp_path / "a.npz", X=arrays["X"], y=arrays["y"])
    assert first != open_cells(tmp_path / "a.npz").fingerprint


def test_without_labels(tmp_path: Path) -> None:
    write_tissuenet(tmp_path / "a.npz", y=None)
    dataset = open_cells(tmp_path / "a.npz")
    assert dataset.load(0).truth is None
    assert not any(dataset.has_truth)
    assert any("no labels (y)" in notice for notice in dataset.notices)


def test_splits_of_different_size(tmp_path: Path) -> None:
    """Images of 512 pixels for training, of 256 for validation; a test file is not touched."""
    write_tissuenet(tmp_path / "tissuenet_v1.0_train.npz", 3)
    half = {"X": np.ones((2, 20, 25, 2), np.float32), "y": np.zeros((2, 20, 25, 2), np.int32)}
    write_tissuenet(tmp_path / "tissuenet_v1.0_val.npz", **half)
    write_tissuenet(tmp_path / "tissuenet_v1.0_test.npz", 3)
    dataset = open_cells(tmp_path)
    assert dataset.names == ("train/0", "train/1", "train/2", "val/0", "val/1")
    assert [dataset.load(i).image.pixels.shape[1:] for i in (0, 4)] == [(40, 50), (20, 25)]
    assert stated_split(dataset) == ((0, 1, 2), (3, 4))
    assert any("tissuenet_v1.0_test.npz is left out" in notice for notice in dataset.notices)
    write_tissuenet(tmp_path / "more.npz", 3)
    with pytest.raises(DatasetError, match="expected npz files with train, val or test in their names"):
        open_cells(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        ({"X": np.zeros((6, 40, 50), np.float32)}, r"expected X of shape \(n, h, w, 2\).*got \(6, 40, 50\)"),
        ({"X": np.zeros((6, 2, 40, 50), np.float32)}, "save the images with channels last"),
        ({"X": np.zeros((0, 40, 50, 2), np.float32)}, "expected X of shape"),
        ({"X": np.full((6, 40, 50, 2), "a")}, "expected X of numbers, got <U1"),
        ({"X": None}, r"expected an array 'X', got y; save it under this name"),
        ({"X": np.zeros((6, 8, 50, 2))}, "at least 16 pixels a side"),
        (
            {"y": np.zeros((5, 40, 50, 2), np.int32)},
            r"y of shape \(6, 40, 50, 2\) as X has, got \(5",
        ),
        ({"y": np.zeros((6, 40, 50), np.int32)}, "expected y of shape"),
        ({"y": np.array([None] * 6, dtype=object)}, "got Python objects, which are never loaded"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], error: str) -> None:
    write_tissuenet(tmp_path / "a.npz", **arrays)
    with pytest.raises((InputError, DatasetError), match=error) as caught:
        open_cells(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_values_that_do_not_fit(tmp_path: Path) -> None:
    x = np.ones((6, 40, 50, 2), np.float32)
    x[2, 0, 0, 1] = np.nan
    write_tissuenet(tmp_path / "a.npz", X=x, y=np.full((6, 40, 50, 2), -1, np.int32))
    dataset = open_cells(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"a\.npz image 2: expected finite values"):
        dataset.load(2)
    with pytest.raises(InputError, match=r"a\.npz image 1: expected numbers of cells from 0"):
        dataset.load(1)
    with pytest.raises(ConfigurationError, match="expected labels whole_cell or nuclear, got 'cells'"):
        open_cells(tmp_path / "a.npz", labels="cells")
    write_tissuenet(tmp_path / "b.npz", y=np.zeros((6, 40, 50, 1), np.int32))
    with pytest.raises(ConfigurationError, match="expected two kinds of labels for nuclear, got one"):
        open_cells(tmp_path / "b.npz", labels="nuclear")
    with pytest.raises(InputError, match="expected at most 1,000 pixels"):
        open_cells(tmp_path / "b.npz", max_pixels=1000)
    assert MAX_PIXELS > 1000
