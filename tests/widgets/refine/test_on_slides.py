"""Refine on a whole slide: the part on view can be refined, the mask of all of it says what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication
from tests.widgets.conftest import button, run_job
from tests.widgets.slides import write_pyramid

from napari_construct import segment_slide
from napari_construct.crf import CRFParameters
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides import job
from napari_construct.widgets.layers import evidence, look_at
from napari_construct.widgets.layers import slides as slide_layers
from napari_construct.widgets.parts.navigation import show_step
from napari_construct.widgets.parts.slide_commands import open_slide_layer
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

MPP = 0.125
"""Half of the model's."""
SETTINGS = SegmentSettings(crf=None, classes=("tumour", "lymphoid"), tile=256, overlap=32)


@pytest.fixture
def path(tmp_path, tissue) -> Path:
    """1024 x 1280 pixels of tissue."""
    enlarged = np.tile(tissue, (2, 3, 1))[:, :640].repeat(2, 0).repeat(2, 1)
    return write_pyramid(tmp_path / "scan.tif", enlarged, (1, 2, 4), MPP)


@pytest.fixture
def segment(qtbot, viewer, path, checkpoint) -> SegmentTissue:
    """With a slide, of which 500 pixels around row 300 and column 700 are on view."""
    open_slide_layer(viewer, path)
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)
    widget.setValue(SETTINGS)
    look_at(viewer, viewer.layers[0], (300.0, 700.0), 500.0, 400.0)
    widget.source.setRegion("visible")
    return widget


def changed(qtbot: Any, widget: Refine, **changes: Any) -> SegmentSettings:
    value = widget.value().changed(**changes)
    with qtbot.waitSignal(widget.updated, timeout=60_000):
        widget.setValue(value)
    return value


@pytest.mark.parametrize("large", [False, True])
def test_the_part_on_view_is_refined(qtbot, viewer, segment, monkeypatch, large) -> None:
    if large:  # whatever has more pixels is read at the resolution of the model
        monkeypatch.setattr(slide_layers, "MAX_PIXELS", 100_000)
    run_job(qtbot, segment)
    slide, mask = viewer.layers
    rows, columns = segment.request().planes[0].window
    factor = 2 if large else 1
    assert abs(mask.data.shape[0] * factor - (rows.stop - rows.start)) <= 2 * factor
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    assert refine.layer() == mask
    # a part of the mask is on view now: that comes first, then all of it
    look_at(viewer, mask, (60.0, 80.0), 60.0, 400.0)
    crf = CRFParameters(appearance_weight=5, smoothness_weight=3)
    for changes in ({"min_confidence": 0.51}, {"crf": crf}):
        settings = changed(qtbot, refine, **changes)
        decided = evidence(mask)
        expected = finish(decided.activation, decided.predictor, settings).labels
        refined = refine.refinedLayer()
        np.testing.assert_array_equal(refined.data, expected)
    assert refined.name == "scan (refined)"
    np.testing.assert_allclose(refined.extent.world, mask.extent.world)
    for corner in ((0.0, 0.0), tuple(float(side - 1) for side in refined.data.shape)):
        there = slide.world_to_data(refined.data_to_world(corner))
        wanted = [span.start + at * factor for span, at in zip((rows, columns), corner, strict=True)]
        np.testing.assert_allclose(there, wanted, atol=2 * factor)
    record = refined.metadata["napari_construct"]["record"]
    assert record["input"]["mpp"] == pytest.approx(MPP * factor)
    assert record["settings"]["crf"] == crf.model_dump()
    button(refine, "Copy as Python").click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    found: dict[str, Any] = {}
    exec(compile(clipboard.text(), "script", "exec"), found)
    np.testing.assert_array_equal(found["result"].labels, refined.data)


def test_the_settings_found_on_a_part_go_to_the_whole_slide(
    qtbot, viewer, segment, path, monkeypatch
) -> None:
    monkeypatch.setattr(slide_layers, "MAX_PIXELS", 100_000)
    run_job(qtbot, segment)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    crf = CRFParameters(appearance_weight=5, smoothness_weight=3)
    changed(qtbot, refine, crf=crf)
    button(refine, "Batch with these settings").click()
    batch = show_step(viewer, "batch")
    assert batch.value().segment.crf == crf
    assert batch.request().inputs == (path,)


@pytest.mark.parametrize("opened", ["scan_mask.ome.zarr", "scan_mask.ome.tif"])
def test_the_mask_of_a_whole_slide_says_what_to_do(
    qtbot, viewer, path, checkpoint, tmp_path, monkeypatch, opened
) -> None:
    monkeypatch.setattr(job, "SHARD", 512)
    segment_slide(path, checkpoint, SETTINGS, folder=tmp_path / "out", outputs=("mask",))
    open_slide_layer(viewer, path)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    (mask,) = viewer.open(str(tmp_path / "out" / opened), plugin="napari-construct")
    assert isinstance(mask, Labels)
    assert mask.name == "scan mask"
    np.testing.assert_allclose(mask.extent.world, viewer.layers[0].extent.world, atol=2 * MPP)
    qtbot.waitUntil(lambda: "scan mask: It is the mask of a whole slide" in refine.message())
    assert "choose Visible part and refine its mask" in refine.message()
    assert refine.layer() is None
    assert not refine._buttons.once.isEnabled()
    assert not refine._opened.isVisibleTo(refine)  # it cannot be prepared either
