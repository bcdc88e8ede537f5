"""Layers come one small step a turn, and what comes is what napari alone would have added."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QApplication, QWidget

from napari_construct.widgets.jobs.interpreter import SWITCH_SECONDS, Patience
from napari_construct.widgets.layers.adding import LayerAdder, insertion

pytestmark = pytest.mark.gui


@pytest.fixture
def dock(viewer) -> QWidget:
    widget = QWidget()
    viewer.window.add_dock_widget(widget, name="Somewhere")
    return widget


def controls(window: QWidget) -> int:
    """How many layers have their controls in the window."""
    names = [type(widget).__name__ for widget in window.findChildren(QWidget)]
    return names.count("QtImageControls") + names.count("QtLabelsControls")


def layers() -> list:
    return [Image(np.zeros((32, 32)), name="map"), Labels(np.ones((32, 32), np.uint8), name="mask")]


def test_layers_are_added_and_the_last_is_selected(qtbot, viewer, dock) -> None:
    viewer.add_image(np.zeros((8, 8)), name="first")
    adder, given = LayerAdder(viewer, dock), layers()
    with qtbot.waitSignal(adder.finished):
        adder.add(given)
        assert adder.isActive()
    assert not adder.isActive()
    assert [layer.name for layer in viewer.layers] == ["first", "map", "mask"]
    assert viewer.layers.selection.active == given[-1]
    assert dock.window().updatesEnabled()
    alone = viewer.add_labels(np.ones((32, 32), np.uint8))
    shown = {name: aid.visible for name, aid in getattr(alone, "_overlays", {}).items()}
    assert {name: aid.visible for name, aid in getattr(given[-1], "_overlays", {}).items()} == shown


@pytest.mark.parametrize("selected", [[], [0], [0, 1]])
def test_selection_stays_until_the_last_layer(qtbot, viewer, dock, selected) -> None:
    kept = [viewer.add_image(np.zeros((8, 8))), viewer.add_image(np.zeros((8, 8)))]
    viewer.layers.selection.clear()
    viewer.layers.selection.update(kept[i] for i in selected)
    seen = []
    viewer.layers.events.inserted.connect(lambda: seen.append(None))
    viewer.layers.selection.events.changed.connect(
        lambda: seen.append({layer.name for layer in viewer.layers.selection})
    )
    adder = LayerAdder(viewer, dock)
    with qtbot.waitSignal(adder.finished):
        adder.add([Image(np.zeros((8, 8)), name="one"), Image(np.zeros((8, 8)), name="two")])
    assert seen[:2] == [None, None]
    assert seen[-1] == {"two"}


def test_parts_of_the_window_are_told_one_a_turn(qtbot, viewer, dock) -> None:
    viewer.add_image(np.zeros((8, 8)), name="first")
    given = layers()[1]
    steps = list(insertion(viewer, dock.window(), given, select=True))
    window = dock.window()
    before = controls(window)
    steps[0]()
    assert given in viewer.layers
    assert controls(window) == before
    drawn = []
    for step in steps[1:]:
        step()
        drawn.append(controls(window) - before)
    assert drawn[-1] == 1
    assert viewer.layers.selection.active == given


@pytest.mark.parametrize("meanwhile", ["nothing", "removed", "closed"])
def test_controls_are_made_in_a_turn_of_their_own_and_used_or_let_go(qtbot, viewer, dock, meanwhile) -> None:
    def made() -> set[QWidget]:
        return {widget for widget in QApplication.allWidgets() if type(widget).__name__ == "QtImageControls"}

    given, before, window = layers()[0], made(), dock.window()
    steps = list(insertion(viewer, window, given, select=True))
    steps[0]()
    assert made() == before
    steps[1]()
    (new,) = made() - before
    assert not window.isAncestorOf(new)
    if meanwhile == "closed":
        viewer.close()
        qtbot.waitUntil(lambda: new not in made())
        return
    if meanwhile == "removed":
        viewer.layers.remove(given)
    for step in steps[2:]:
        step()
    if meanwhile == "nothing":
        assert made() - before == {new}
        assert window.isAncestorOf(new)
    else:
        qtbot.waitUntil(lambda: new not in made())


@pytest.mark.parametrize("meanwhile", ["removed", "selected", "moved", "another added"])
def test_what_happens_meanwhile_finds_the_layer_complete(qtbot, viewer, dock, meanwhile) -> None:
    viewer.add_image(np.zeros((8, 8)), name="first")
    given = layers()[1]
    steps = list(insertion(viewer, dock.window(), given, select=True))
    steps[0]()
    if meanwhile == "removed":
        viewer.layers.remove(given)
    elif meanwhile == "selected":
        viewer.layers.selection.active = given
    elif meanwhile == "moved":
        viewer.layers.move(1, 0)
    else:
        viewer.add_image(np.zeros((8, 8)), name="another")
    assert controls(dock.window()) >= (1 if meanwhile == "removed" else 2)
    for step in steps[1:]:
        step()
    assert (given in viewer.layers) == (meanwhile != "removed")
    given.visible = not given.visible
    viewer.layers.clear()


@pytest.mark.parametrize("begun", [False, True])
def test_what_is_dropped_is_not_added_unless_it_was_begun(qtbot, viewer, dock, begun) -> None:
    adder, window = LayerAdder(viewer, dock), dock.window()
    adder.drop()  # nothing waits
    with qtbot.waitSignal(adder.finished):
        adder.add(layers())
        if begun:
            qtbot.waitUntil(lambda: len(viewer.layers) == 1)
        adder.drop()
    assert [layer.name for layer in viewer.layers] == ["map"] * begun
    assert window.updatesEnabled()


def test_what_comes_with_the_last_layer_comes_before_it_is_painted(qtbot, viewer, dock) -> None:
    adder, window, seen = LayerAdder(viewer, dock), dock.window(), []
    with qtbot.waitSignal(adder.finished):
        adder.add(layers(), lambda: seen.append((len(viewer.layers), window.updatesEnabled())))
    assert seen == [(2, False)]


def test_nothing_to_add_is_finished_too(qtbot, viewer, dock) -> None:
    adder = LayerAdder(viewer, dock)
    with qtbot.waitSignal(adder.finished):
        adder.add([])


def test_dock_closed_meanwhile(qtbot, viewer, dock) -> None:
    window = dock.window()
    LayerAdder(viewer, dock).add(layers())
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    del dock
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and window.updatesEnabled())


def test_patience_is_as_before_afterwards() -> None:
    before = sys.getswitchinterval(), gc.get_threshold()
    patience = Patience()
    with patience:
        with patience:
            assert sys.getswitchinterval() <= SWITCH_SECONDS + 1e-6
            assert gc.get_threshold()[2] > 10_000
        assert gc.get_threshold()[:2] == before[1][:2]
        assert gc.get_threshold()[2] > 10_000
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(before[0]), before[1])
