"""Numbers with a decimal comma or point, in every language of the system."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QLocale, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel

from napari_construct.widgets.fields.controls import plain_tip, wrapped_label
from napari_construct.widgets.fields.fields import NumberField

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("language", ["C", "en_US", "de_DE", "fr_FR", "de_CH"])
@pytest.mark.parametrize(
    ("typed", "decimals", "number"),
    [
        ("0,25", 4, 0.25),
        ("0.25", 4, 0.25),
        (",5", 4, 0.5),
        ("1,024", 4, 1.024),
        ("1.024,5", 4, 1024.5),
        ("1,024.5", 4, 1024.5),
        ("1,024,000", 2, 1024000.0),
        ("512", 0, 512),
        ("1,024", 0, 1024),
        ("1.024", 0, 1024),
        ("1e-4", 6, 0.0001),
        ("2,5e-4", 6, 0.00025),
        ("1E+3", 0, 1000),
        ("0,5 µm", 4, 0.5),
        ("0.5um", 4, 0.5),
        ("0,25 µm/px", 4, 0.25),
        ("512 px", 0, 512),
        ("1.024,5 x", 4, 1024.5),
    ],
)
def test_typed_numbers(qtbot, language, typed, decimals, number) -> None:
    field = NumberField(0, 10_000_000, 1, decimals, none_text="layer: 0.25")
    field.setLocale(QLocale(language))
    qtbot.addWidget(field)
    field.lineEdit().selectAll()
    QTest.keyClicks(field.lineEdit(), typed)
    field.interpretText()
    assert field.get() == pytest.approx(number)


@pytest.mark.parametrize("typed", ["0,5 furlong", "1e-4 e", "abc", "--1"])
def test_what_is_no_number_cannot_be_typed(qtbot, typed) -> None:
    field = NumberField(0, 10, 1, 4, none_text="unknown")
    field.put(3.0)
    qtbot.addWidget(field)
    field.lineEdit().selectAll()
    QTest.keyClicks(field.lineEdit(), typed)
    assert field.text() != typed


def test_the_text_for_none_stays(qtbot) -> None:
    field = NumberField(0, 10, 1, 4, none_text="layer: 0.25")
    qtbot.addWidget(field)
    field.put(3.0)
    field.put(None)
    field.interpretText()
    assert field.get() is None


@pytest.mark.parametrize("before", [None, 3.0])
def test_a_new_text_for_none_leaves_what_is_being_typed(qtbot, before) -> None:
    field = NumberField(0, 10, 1, 4, none_text="unknown")
    qtbot.addWidget(field)
    field.put(before)
    field.show()
    field.activateWindow()
    assert QTest.qWaitForWindowActive(field)
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "0,2")
    field.setNoneText("model: 0.5")  # as when a model has been read meanwhile
    QTest.keyClicks(field, "5")
    assert field.text() == "0,25"
    field.interpretText()
    assert field.get() == 0.25
    field.put(None)
    assert field.text() == "model: 0.5"


def test_names_are_shown_as_they_are(qtbot) -> None:
    parent = QLabel()
    qtbot.addWidget(parent)
    label = wrapped_label("name", "<b>x</b>", parent, "<b>x</b>")
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.toolTip() == "<qt>&lt;b&gt;x&lt;/b&gt;</qt>"
    assert plain_tip("a & b") == "a & b"
