"""Layers come one a turn of the event loop, as napari alone would have added them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QWidget

from napari_construct.widgets.layers.adding import LayerAdder

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(viewer) -> QWidget:
    return docked(viewer)


def docked(viewer: Any) -> QWidget:
    widget = QWidget()
    viewer.window.add_dock_widget(widget, name="Somewhere")
    return widget


def after_the_first(viewer: Any, do: Callable[[Any], object]) -> None:
    """Do something between the first layer and the second, as a user might."""

    def once(*_: object) -> None:
        viewer.layers.events.inserted.disconnect(once)
        QTimer.singleShot(0, lambda: do(viewer))

    viewer.layers.events.inserted.connect(once)


def layers() -> list[Layer]:
    return [
        Image(np.zeros((32, 32)), name="map"),
        Image(np.zeros((32, 32)), name="other map"),
        Labels(np.ones((32, 32), np.uint8), name="mask"),
    ]


def names(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_layers_come_in_their_order_and_the_last_is_active(qtbot, viewer, dock) -> None:
    viewer.add_image(np.zeros((8, 8)), name="first")
    adder, given = LayerAdder(viewer, dock), layers()
    with qtbot.waitSignal(adder.finished):
        adder.add(given[:1])
        adder.add(given[1:])
        assert adder.isActive()
        assert names(viewer) == ["first"]
    assert not adder.isActive()
    assert names(viewer) == ["first", "map", "other map", "mask"]
    assert viewer.layers.selection.active == given[-1]
    assert set(viewer.layers.selection) == {given[-1]}


def test_the_event_loop_has_a_turn_between_two_layers(qtbot, viewer, dock) -> None:
    seen, adder, turn = [], LayerAdder(viewer, dock), QTimer(dock)
    turn.timeout.connect(lambda: seen.append(len(viewer.layers)))
    with qtbot.waitSignal(adder.finished):
        adder.add(layers())
        turn.start(0)
    turn.stop()
    assert set(seen) >= {1, 2}


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        (lambda viewer: viewer.layers.clear(), ["other map", "mask"]),
        (lambda viewer: viewer.add_points(name="more"), ["map", "more", "other map", "mask"]),
        (lambda viewer: viewer.layers.selection.clear(), ["map", "other map", "mask"]),
        (lambda viewer: setattr(viewer.layers[0], "name", "mine"), ["mine", "other map", "mask"]),
        (lambda viewer: setattr(viewer, "theme", "light"), ["map", "other map", "mask"]),
    ],
    ids=["removed", "another added", "nothing selected", "renamed", "another theme"],
)
def test_it_goes_on_while_the_user_changes_the_layer_list(qtbot, viewer, dock, meanwhile, expected) -> None:
    adder = LayerAdder(viewer, dock)
    with qtbot.waitSignal(adder.finished):
        after_the_first(viewer, meanwhile)
        adder.add(layers())
    assert names(viewer) == expected
    assert viewer.layers.selection.active == viewer.layers["mask"]


def test_what_is_dropped_is_not_added(qtbot, viewer, dock) -> None:
    adder = LayerAdder(viewer, dock)
    adder.drop()  # nothing waits
    with qtbot.waitSignal(adder.finished):
        adder.add(layers())
        adder.drop()
    assert names(viewer) == []
    with qtbot.waitSignal(adder.finished):
        after_the_first(viewer, lambda _: adder.drop())
        adder.add(layers())
    assert names(viewer) == ["map"]


def test_nothing_to_add_is_finished_too(qtbot, viewer, dock) -> None:
    adder = LayerAdder(viewer, dock)
    with qtbot.waitSignal(adder.finished):
        adder.add([])


def test_a_layer_that_cannot_be_added_keeps_no_other_from_coming(qtbot, viewer, dock) -> None:
    adder, given = LayerAdder(viewer, dock), layers()
    with qtbot.capture_exceptions() as seen, qtbot.waitSignal(adder.finished):
        adder.add([given[0], given[0], given[-1]])  # napari takes none twice
    assert len(seen) == 1
    assert names(viewer) == ["map", "mask"]


def test_a_dock_closed_meanwhile_loses_no_layer(qtbot, viewer, dock) -> None:
    LayerAdder(viewer, dock).add(layers())
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    del dock
    qtbot.waitUntil(lambda: names(viewer) == ["map", "other map", "mask"])


@pytest.mark.parametrize("begun", [False, True])
def test_a_viewer_closed_meanwhile_is_harmless(qtbot, viewer, make_napari_viewer_proxy, begun) -> None:
    closing, gone = make_napari_viewer_proxy(), []
    widget = docked(closing)
    widget.destroyed.connect(lambda: gone.append(True))
    with qtbot.capture_exceptions() as seen:
        if begun:
            after_the_first(closing, lambda closing: closing.close())
        LayerAdder(closing, widget).add(layers())
        del widget
        if not begun:
            closing.close()
        qtbot.waitUntil(lambda: bool(gone))
        QApplication.processEvents()
    assert seen == []
    assert names(viewer) == []
