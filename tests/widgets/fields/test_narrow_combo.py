"""A list that is narrower than its text says so, and its tooltip says the rest."""

from __future__ import annotations

import pytest

from napari_construct.widgets.fields.narrow_combo import NarrowCombo

pytestmark = pytest.mark.gui


def test_a_cut_text_ends_in_dots_and_is_whole_in_the_tooltip(qtbot) -> None:
    combo = NarrowCombo()
    qtbot.addWidget(combo)
    combo.addItem("Balanced label sets")
    combo.setToolTip("How often a patch is seen")
    combo.resize(90, 24)
    combo.show()
    assert "…" in combo.shownText()
    assert combo.wholeTip() == "Balanced label sets\nHow often a patch is seen"
    combo.resize(400, 24)
    assert combo.shownText() == "Balanced label sets"
    assert combo.wholeTip() == "How often a patch is seen"
