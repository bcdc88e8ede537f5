"""Refine beside whole slides: the part on view is refined in place, a whole mask says why it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication
from tests.widgets.conftest import run_job
from tests.widgets.slides import write_pyramid

from napari_construct import segment_slide
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.layers import slides
from napari_construct.widgets.layers.place import camera
from napari_construct.widgets.parts.slide_commands import open_slide_layer
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

MPP = 0.125
"""Half of the model's."""
SETTINGS = SegmentSettings(crf=None, classes=("tumour", "lymphoid"), tile=128, overlap=32)


@pytest.fixture
def path(tmp_path: Path, tissue: np.ndarray) -> Path:
    return write_pyramid(tmp_path / "scan.tif", np.tile(tissue, (3, 4, 1)), (1, 2, 4), MPP)


@pytest.fixture
def slide(viewer: Any, path: Path) -> Any:
    open_slide_layer(viewer, path)
    return viewer.layers[0]


def part_on_view(qtbot: Any, viewer: Any, slide: Any, checkpoint: Path) -> Labels:
    """The mask of what is on view."""
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)
    widget.setValue(SETTINGS)
    widget.setLayer(slide)
    widget.source.setRegion("visible")
    run_job(qtbot, widget)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    return viewer.layers[-1]


@pytest.mark.parametrize("larger_than", [100_000, 100_000_000])
@pytest.mark.parametrize("zoom", [1.5, 12.0])
def test_the_part_on_view_is_refined_where_it_lies(
    qtbot, viewer, slide, checkpoint, monkeypatch, larger_than, zoom
) -> None:
    monkeypatch.setattr(slides, "MAX_PIXELS", larger_than)
    view = camera(viewer)
    view.center, view.zoom = (0.0, *slide.data_to_world((400, 500))), zoom
    mask = part_on_view(qtbot, viewer, slide, checkpoint)
    step = 2 if larger_than < 10**6 else 1
    np.testing.assert_allclose(mask.scale, MPP * step)
    before = np.array(mask.data)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    assert refine.layer().unique_id == mask.unique_id
    settings = refine.value().changed(min_confidence=0.55)
    refine.setValue(settings)
    qtbot.waitUntil(lambda: refine.refinedLayer() is not None and not refine.isRunning(), timeout=60_000)
    assert "Up to date" in refine._status.text()
    refined = refine.refinedLayer()
    np.testing.assert_allclose(refined.extent.world, mask.extent.world)
    assert (np.asarray(refined.data) != before).any()
    refine._copy_python()
    names: dict[str, Any] = {}
    exec(QApplication.clipboard().text(), names)
    np.testing.assert_array_equal(names["result"].labels, refined.data)


def test_moved_on_since_only_the_part_that_was_segmented_changes(
    qtbot, viewer, slide, checkpoint, monkeypatch
) -> None:
    monkeypatch.setattr(slides, "MAX_PIXELS", 100_000)
    view = camera(viewer)
    view.center, view.zoom = (0.0, *slide.data_to_world((400, 500))), 12.0
    mask = part_on_view(qtbot, viewer, slide, checkpoint)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    for corner in ((10, 10), (700, 900), (430, 540)):  # beside the mask, and half of it
        view.center = (0.0, *slide.data_to_world(corner))
        refine.setValue(refine.value().changed(min_confidence=refine.value().min_confidence + 0.05))
        qtbot.waitUntil(lambda: "Up to date" in refine._status.text(), timeout=60_000)
    assert refine.refinedLayer().data.shape == mask.data.shape


def test_the_mask_of_a_whole_slide_says_what_to_do(qtbot, viewer, path, slide, checkpoint, tmp_path) -> None:
    segment_slide(path, checkpoint, SETTINGS, folder=tmp_path / "out")
    (mask,) = viewer.open(str(tmp_path / "out" / "scan_mask.ome.zarr"), plugin="napari-construct")
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    assert refine.layer() is None
    said = refine.message()
    assert f"{mask.name}: It is the mask of a whole slide" in said
    assert "choose Visible part" in said
    assert "then segments the whole slide" in said
    assert not refine._opened.isVisibleTo(refine)
