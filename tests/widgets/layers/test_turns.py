"""Steps come one a turn."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.layers.turns import Turns

pytestmark = pytest.mark.gui


def test_an_error_in_one_step_does_not_stop_the_others(qtbot) -> None:
    window, done = QWidget(), []
    qtbot.addWidget(window)
    turns = Turns(window)
    turns.append([lambda: 1 / 0, lambda: done.append(1)])
    with qtbot.capture_exceptions() as seen, qtbot.waitSignal(turns.finished):
        turns.start()
    assert done == [1]
    assert [kind for kind, *_ in seen] == [ZeroDivisionError]
