from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConstructError
from napari_construct.export.ome_zarr import write_ome_zarr

CLASSES = ClassTable.from_names(("tumour", "lymphoid"))


def _arrays(side: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (side, side, 3), dtype=np.uint8), rng.integers(
        0, 3, (side, side), dtype=np.uint8
    )


def test_valid_and_complete(tmp_path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05", reason="needs ome-zarr-models")
    image, labels = _arrays()
    path = tmp_path / "slide.ome.zarr"
    write_ome_zarr(path, image, labels, CLASSES, 0.25)
    models.Image.from_zarr(zarr.open_group(path, mode="r"))
    mask = zarr.open_group(path / "labels" / "tissue", mode="r")
    models.ImageLabel.from_zarr(mask)
    np.testing.assert_array_equal(mask["0"][:], labels)
    np.testing.assert_array_equal(np.moveaxis(zarr.open_group(path, mode="r")["0"][:], 0, 2), image)
    assert [mask[str(i)].shape for i in range(3)] == [(600, 600), (300, 300), (150, 150)]
    said = mask.attrs["ome"]["image-label"]
    assert said["properties"][1] == {"label-value": 2, "class": "lymphoid"}
    assert said["colors"][0]["rgba"] == [0xE6, 0x9F, 0, 255]
    scale = mask.attrs["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"][0]
    assert scale == {"type": "scale", "scale": [0.5, 0.5]}


def test_coarse_labels_hold_no_class_that_is_not_there(tmp_path) -> None:
    image, labels = _arrays()
    labels[labels == 1] = 2
    write_ome_zarr(tmp_path / "a.ome.zarr", image, labels, CLASSES)
    mask = zarr.open_group(tmp_path / "a.ome.zarr" / "labels" / "tissue", mode="r")
    assert set(np.unique(mask["2"][:])) <= {0, 2}


def test_replaces_and_leaves_nothing_half_written(tmp_path, monkeypatch) -> None:
    image, labels = _arrays(64)
    path = tmp_path / "a.ome.zarr"
    write_ome_zarr(path, image, labels, CLASSES)
    before = sorted(p.relative_to(path) for p in path.rglob("*"))
    write_ome_zarr(path, image, labels, CLASSES)
    assert sorted(p.relative_to(path) for p in path.rglob("*")) == before

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_construct.export.ome_zarr.image_label", full)
    with pytest.raises(ConstructError, match="No space left"):
        write_ome_zarr(path, image, labels, CLASSES)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
