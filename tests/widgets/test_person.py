"""The person of the tests reaches what a person reaches, and nothing else."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QComboBox, QPushButton
from tests.widgets import person

from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def test_a_run_from_click_to_mask(qtbot, viewer, widget: SegmentTissue) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        person.click(person.find(widget, "Segment", QPushButton))
    person.click_layer(viewer, "slide")
    assert viewer.layers.selection.active.name == "slide"
    person.click_layer(viewer, "slide mask")
    assert viewer.layers.selection.active.name == "slide mask"
    on = person.canvas(viewer)
    person.press(on, "p")
    assert viewer.layers.selection.active.mode == "paint"
    assert "slide: tumour" in person.words(widget)


def test_lists_and_numbers(widget: SegmentTissue) -> None:
    person.choose(person.find(widget, "Region", QComboBox), "Visible part")
    assert widget.source.region() == "visible"
    person.write(person.find(widget, "Pixel size (µm)"), "0,5")
    assert widget.value().mpp == 0.5


def test_what_is_hidden_or_disabled_cannot_be_used(widget: SegmentTissue) -> None:
    with pytest.raises(AssertionError, match="expected one"):
        person.click(person.find(widget, "Cancel", QPushButton))
    run = person.find(widget, "Segment", QPushButton)
    run.setEnabled(False)
    with pytest.raises(AssertionError, match="disabled"):
        person.click(run)
