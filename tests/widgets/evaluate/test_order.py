"""Masks in another order, as a person meets them in Evaluate: proposed, and scored so at once."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton
from tests.widgets import person

from napari_construct.widgets.evaluate.evaluate import Evaluate
from napari_construct.widgets.layers import METADATA_KEY

pytestmark = [pytest.mark.gui, pytest.mark.shown]

NAMES = ("gland", "stroma", "fat")
PREDICTION = np.repeat([1, 2, 3], 30)[:, None].repeat(40, 1).astype(np.uint8)
TRUTH = np.array([0, 2, 3, 1], np.uint8)[PREDICTION]
"""1 is fat, 2 gland, 3 stroma."""


@pytest.fixture
def widget(viewer) -> Evaluate:
    features = {"index": [1, 2, 3], "class": list(NAMES)}
    metadata = {METADATA_KEY: {"kind": "labels", "classes": NAMES}}
    viewer.add_labels(PREDICTION, name="mask", metadata=metadata, features=features)
    viewer.add_labels(TRUTH, name="annotation")
    widget = Evaluate(viewer)
    viewer.window.add_dock_widget(widget, name="Evaluate")
    return widget


def evaluated(qtbot, widget: Evaluate) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        person.click(person.find(widget, "Evaluate", QPushButton))


def test_another_order_is_proposed_and_scored(qtbot, widget, tmp_path) -> None:
    evaluated(qtbot, widget)
    said = "The masks score better in the order 1 fat, 2 gland, 3 stroma: 0 % -> 100 % mIoU."
    assert said in person.words(widget)
    assert widget.outcome.table.item(3, 1).text() == "0.0", "nothing changes by itself"
    person.click(person.find(widget, "Use this order", QPushButton))
    assert widget.outcome.table.item(3, 1).text() == "100.0"
    assert "Scored with the masks read as 1 fat, 2 gland, 3 stroma." in person.words(widget)
    for suffix in (".csv", ".json", ".html"):
        widget.outcome.save(str(tmp_path / f"scores{suffix}"))
        assert "1 fat, 2 gland, 3 stroma" in (tmp_path / f"scores{suffix}").read_text()


def test_a_proposal_can_be_refused_and_the_right_order_makes_none(qtbot, viewer, widget) -> None:
    evaluated(qtbot, widget)
    person.click(person.find(widget, "Keep the order", QPushButton))
    assert "score better" not in person.words(widget)
    assert widget.outcome.table.item(3, 1).text() == "0.0"
    viewer.layers["annotation"].data = PREDICTION.copy()
    evaluated(qtbot, widget)
    assert "score better" not in person.words(widget)
