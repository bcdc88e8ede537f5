"""A mask that was saved and opened again can be refined: its image is segmented again, as recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from tests.widgets import person
from tests.widgets.conftest import run_job

from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.layers import evidence
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def opened(qtbot, viewer, tissue, tmp_path: Path):
    """An image, and its mask of the bundled model, painted on, saved, closed and opened again."""
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    viewer.add_image(tissue, name="slide", rgb=True, **place)
    segment = SegmentTissue(viewer)
    segment.setModel("lymph-node")
    segment.setValue(SegmentSettings(tile=256, overlap=32, crf=None))
    viewer.window.add_dock_widget(segment, name="Segment")
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=30_000)
    run_job(qtbot, segment)
    mask = next(layer for layer in viewer.layers if evidence(layer) is not None)
    before = mask.data.copy()
    mask.data_setitem((np.arange(40), np.arange(40)), 2)
    mask.save(str(tmp_path / "slide_mask.tif"), plugin="napari-construct")
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    (again,) = viewer.open(str(tmp_path / "slide_mask.tif"), plugin="napari-construct")
    return again, before


def test_an_opened_mask_is_prepared_and_refined(qtbot, viewer, opened) -> None:
    mask, before = opened
    painted = mask.data.copy()
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    qtbot.waitUntil(refine.isVisible)
    assert refine.layer() is None
    assert f"{mask.name} was opened from a file" in person.words(refine)
    person.click(person.find(refine, "Prepare for refining", QPushButton))
    qtbot.waitUntil(lambda: refine.layer() is not None, timeout=60_000)
    assert "can be refined" in person.words(refine)
    decided = evidence(mask)
    assert decided is not None
    assert np.mean(decided.labels == before) >= 0.999
    np.testing.assert_array_equal(mask.data, painted)
    refine.setValue(refine.value().changed(min_confidence=0.6))
    qtbot.waitUntil(lambda: refine.refinedLayer() is not None and not refine.isRunning(), timeout=30_000)


def test_without_its_image_it_says_what_is_missing(qtbot, viewer, opened) -> None:
    viewer.layers["slide"].data = viewer.layers["slide"].data[::-1].copy()  # another image of its size
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    qtbot.waitUntil(refine.isVisible)
    person.click(person.find(refine, "Prepare for refining", QPushButton))
    qtbot.waitUntil(lambda: "open it first" in person.words(refine), timeout=60_000)
