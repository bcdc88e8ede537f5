"""Messages: the result first, what throws doubt apart from what informs."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel
from tests.widgets import person

from napari_construct.events import Doubt, Notice
from napari_construct.widgets.fields.message_label import Level, MessageLabel
from napari_construct.widgets.jobs.run_control import RunControl

pytestmark = pytest.mark.gui


def bar(label: QLabel) -> str:
    return label.styleSheet()


def test_what_informs_is_not_amber(qtbot) -> None:
    label = MessageLabel()
    qtbot.addWidget(label)
    label.showResult("slide: tumour 34 % of the tissue.", ["the alpha channel is dropped"])
    assert person.words(label).splitlines() == [
        "slide: tumour 34 % of the tissue.",
        "the alpha channel is dropped",
    ]
    assert all(Level.WARNING.value not in bar(one) for one in label.findChildren(QLabel) if one.text())


def test_doubts_are_amber_below_the_result_and_each_notice_is_said_once(qtbot) -> None:
    label = MessageLabel()
    qtbot.addWidget(label)
    dark = Doubt("the background is dark")
    label.showResult("slide: nothing.", [dark, "turned", "turned", dark])
    first, second = label.findChildren(QLabel)
    assert first.text() == "slide: nothing.\nturned"
    assert Level.INFO.value in bar(first)
    assert second.text() == "the background is dark"
    assert Level.WARNING.value in bar(second)


def test_a_run_says_the_images_name_once_and_puts_doubts_first(qtbot) -> None:
    control = RunControl()
    qtbot.addWidget(control)
    for text in ("a.tif: turned", Doubt("a.tif: the background is dark"), "a.tif: turned"):
        control._on_progress(Notice("reading", 0, 1, text))
    control.summarise("a.tif: 3 patches.", name="a.tif")
    assert control.message() == "a.tif: 3 patches.\nTurned\nThe background is dark"
