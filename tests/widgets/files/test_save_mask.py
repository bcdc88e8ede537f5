"""Save under a result: the offered name opens again as a mask with its classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from tests.widgets import person

from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def test_the_offered_name_opens_again(
    qtbot, viewer, widget: SegmentTissue, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())
    mask = viewer.layers[-1]
    data, names = np.asarray(mask.data).copy(), list(mask.features["class"])
    save = person.find(widget, "Save the mask", QPushButton)
    for name in ("", "by hand.tif"):
        person.answer(name)
        person.click(save)
    saved = sorted(path.name for path in tmp_path.glob("*.tif"))
    assert "by hand_mask.tif" in saved
    assert len(saved) == 2
    for file in saved:
        viewer.layers.clear()
        person.drop(person.canvas(viewer), [tmp_path / file])
        (opened,) = viewer.layers
        np.testing.assert_array_equal(opened.data, data)
        assert list(opened.features["class"]) == names
