"""The warning and the map of distances in a real viewer, with a real model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from qtpy.QtWidgets import QCheckBox, QLabel
from tests.guarded import guarded
from tests.widgets.conftest import button
from tests.widgets.slides import write_pyramid

from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import save_checkpoint
from napari_construct.widgets.parts.slide_commands import open_slide_layer
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def watched(camelyon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guarded")
    return save_checkpoint(folder / "watched.construct", guarded(camelyon, folder / "patches"))


def test_segment_warns_and_shows_the_map(qtbot, make_napari_viewer_proxy, watched, home) -> None:
    viewer = make_napari_viewer_proxy()
    viewer.add_image(skimage.data.astronaut()[:256, :256], name="portrait", rgb=True)
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(watched))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=30_000)
    widget.setValue(SegmentSettings(crf=None, mpp=0.5))
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        button(widget, "Segment").click()
    qtbot.waitUntil(lambda: not widget.isRunning())
    assert any("does not know this tissue" in label.text() for label in widget.findChildren(QLabel))
    (tick,) = (box for box in widget.findChildren(QCheckBox) if box.text() == "Show distance map")
    tick.click()
    qtbot.waitUntil(lambda: "portrait (distance map)" in viewer.layers)
    layer = viewer.layers["portrait (distance map)"]
    assert layer.data.shape == (256, 256)
    assert np.median(layer.data) > layer.metadata["napari_construct"]["limit"]
    names = [one.name for one in viewer.layers]
    assert names.index(layer.name) < names.index("portrait mask")
    tick.click()
    assert "portrait (distance map)" not in viewer.layers


def test_of_a_whole_slide_it_says_where_the_map_is(
    qtbot, make_napari_viewer_proxy, watched, home, tmp_path
) -> None:
    viewer = make_napari_viewer_proxy()
    path = write_pyramid(tmp_path / "portrait.tif", skimage.data.astronaut(), (1, 2), 0.5)
    open_slide_layer(viewer, path)
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(watched))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=30_000)
    widget.setValue(SegmentSettings(crf=None))
    assert widget.source.region() == "slide"
    (tick,) = (box for box in widget.findChildren(QCheckBox) if box.text() == "Show distance map")
    assert not tick.isEnabled()
    assert "--outputs cams,ood" in tick.toolTip()
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=30_000)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        button(widget, "Segment").click()
    qtbot.waitUntil(lambda: not widget.isRunning())
    said = [label.text() for label in widget.findChildren(QLabel) if "not know this tissue" in label.text()]
    assert said
    assert all(
        "choose another model, or look at the distance map: of the slide with" in text for text in said
    )
