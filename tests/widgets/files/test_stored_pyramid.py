"""A label pyramid in napari: in parts, in its classes' colours, on the slide, and while it fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_construct.classes import ClassTable
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.widgets.files import stored
from napari_construct.widgets.files.stored_pyramid import show_written
from napari_construct.widgets.layers import METADATA_KEY

pytestmark = pytest.mark.gui

HINT = "a run is writing them, or was stopped; run it again to go on"
CLASSES = ClassTable.from_names(("tumour", "lymphoid"), palette=("#112233", "#445566"))


def create(folder: Path, **options: Any) -> LabelPyramid:
    return LabelPyramid.create(
        folder / "s.ome.zarr", (1024, 1024), CLASSES, **{"mpp": 0.25, "shard": 256, "chunk": 128, **options}
    )


def test_it_opens_in_parts_with_classes_and_place(viewer, tmp_path) -> None:
    pyramid = create(tmp_path, downsample=2.0, probabilities=True)
    for i, (top, left, h, w) in enumerate(pyramid.left()):
        pyramid.write(top, left, np.full((h, w), i % 3, np.uint8), np.full((2, h, w), 51, np.uint8))
    pyramid.finish()
    *maps, mask = viewer.open(str(pyramid.path), plugin="napari-construct")
    assert isinstance(mask, Labels)
    assert mask.multiscale
    assert not mask.editable
    assert all(isinstance(level, da.Array) for level in mask.data)
    assert [level.shape for level in mask.data] == [(1024, 1024), (512, 512), (256, 256)]
    assert mask.name == "s mask"
    np.testing.assert_allclose(mask.scale, 0.5)
    np.testing.assert_allclose(mask.translate, 0.125)
    assert [str(unit) for unit in mask.units] == ["micrometer"] * 2
    np.testing.assert_allclose(mask.get_color(1), [0x11 / 255, 0x22 / 255, 0x33 / 255, 1], atol=1e-6)
    assert list(mask.features["class"]) == ["tumour", "lymphoid"]
    assert mask.metadata[METADATA_KEY]["classes"] == ("tumour", "lymphoid")
    assert [(layer.name, layer.visible) for layer in maps] == [
        ("s tumour (class map)", False),
        ("s lymphoid (class map)", False),
    ]
    for layer in maps:
        assert isinstance(layer, Image)
        assert layer.multiscale
        assert layer.contrast_limits == [0, 255]
        assert np.asarray(layer.data[2]).tolist() == np.full((256, 256), 51).tolist()


def test_it_shows_what_was_written_since(viewer, tmp_path, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(stored, "show_info", said.append)
    pyramid = create(tmp_path)
    (mask,) = viewer.open(str(pyramid.path), plugin="napari-construct")
    assert said == [
        "s.ome.zarr: 0 of 16 parts, the rest is empty: " + HINT,
    ]
    assert np.unique(mask._slice.image.raw).tolist() == [0]
    mask.data_level = 2
    pyramid.write(256, 256, np.full((256, 256), 2, np.uint8))
    show_written(mask)
    assert [level[300 >> i, 300 >> i].compute() for i, level in enumerate(mask.data)] == [2, 2, 2]
    assert np.unique(mask._slice.image.raw).tolist() == [0, 2]
    for shard in pyramid.left():
        pyramid.write(*shard[:2], np.ones(shard[2:], np.uint8))
        show_written(mask)
    for level in (0, 2):  # the coarsest is the one that napari keeps
        mask.data_level = level
        assert np.unique(mask._slice.image.raw).tolist() == [1, 2]
        show_written(mask)
        assert mask.data_level == level
    assert np.unique(mask.thumbnail.reshape(-1, 4), axis=0).shape[0] >= 2


def test_a_slide_of_a_single_level_opens_too(viewer, tmp_path) -> None:
    pyramid = LabelPyramid.create(tmp_path / "s.ome.zarr", (200, 130), CLASSES, mpp=0.25, downsample=2.0)
    for top, left, h, w in pyramid.left():
        pyramid.write(top, left, np.full((h, w), 2, np.uint8))
    pyramid.finish()
    (mask,) = viewer.open(str(pyramid.path), plugin="napari-construct")
    assert np.asarray(mask.data).shape == (200, 130)
    np.testing.assert_allclose(mask.translate, 0.125)
