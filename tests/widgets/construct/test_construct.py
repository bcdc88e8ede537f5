"""One dock with every step, as a person uses it; and docks that do not squeeze each other."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from napari.layers import Labels
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QMainWindow, QPushButton, QWidget
from tests.widgets import person

from napari_construct.events import Event
from napari_construct.widgets.construct.construct import Construct
from napari_construct.widgets.jobs import predictors
from napari_construct.widgets.parts.navigation import STEPS, show_step

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def construct(qtbot, viewer, tissue, fake, monkeypatch) -> Construct:
    """Opened as the menu does, with one image; its network is not asked."""
    monkeypatch.setattr(predictors, "decided_steps", fake.decided_steps)
    viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", "ConStruct")
    settle(qtbot, widget)
    return widget


def settle(qtbot: Any, widget: Any) -> None:
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)


def step(construct: Construct, name: str) -> QPushButton:
    """The button of a step."""
    return person.find(person.find(construct, "Steps"), name, QPushButton)


def focused() -> QWidget:
    """What has the keyboard."""
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def start(construct: Construct) -> None:
    """Click on Run."""
    control = construct.page().control
    person.click(control.findChild(QPushButton, "", Qt.FindChildOption.FindDirectChildrenOnly))


def run(qtbot: Any, construct: Construct) -> None:
    page = construct.page()
    settle(qtbot, page)
    with qtbot.waitSignal(page.finished, timeout=60_000):
        start(construct)


def dock_of(widget: QWidget) -> QDockWidget:
    parent = widget.parentWidget()
    assert isinstance(parent, QDockWidget)
    return parent


def test_the_steps_are_those_of_the_manifest() -> None:
    found = PluginManifest.from_distribution("napari-construct").contributions
    places = {command.id: command.python_name for command in found.commands}
    widgets = {widget.display_name: places[widget.command] for widget in found.widgets}
    assert next(iter(widgets)) == "ConStruct"
    assert list(widgets.items())[1:] == [(each.title, each.place) for each in STEPS.values()]


def test_every_step_by_mouse_and_by_keyboard(qtbot, construct) -> None:
    for name, each in STEPS.items():
        person.click(step(construct, each.short))
        assert construct.step() == name
        assert construct.page().isVisible()
        settle(qtbot, construct)
    person.press(construct.page(), Qt.Key.Key_2, person.CONTROL)
    assert construct.step() == "refine"
    person.click(step(construct, "Refine"))
    person.press(focused(), Qt.Key.Key_Right)
    assert construct.step() == "retrain"
    person.press(focused(), Qt.Key.Key_Left)
    assert construct.step() == "refine"


def test_a_page_keeps_what_was_typed_and_its_job(qtbot, construct, fake) -> None:
    go_on = threading.Event()
    steps = fake.decided_steps

    def waiting(*args, **kwargs):
        yield Event("tiles", 0, 1)
        go_on.wait(20)
        return (yield from steps(*args, **kwargs))

    construct.page()._decided_steps = waiting
    person.write(person.find(construct, "Pixel size (µm)"), "0.5")
    segment = construct.page()
    start(construct)
    qtbot.waitUntil(segment.isRunning)
    assert step(construct, "Segment").text() == "Segment ..."
    person.click(step(construct, "Batch"))
    assert not segment.isVisible()
    assert segment.isRunning()
    go_on.set()
    qtbot.waitUntil(lambda: not segment.isRunning(), timeout=60_000)
    assert step(construct, "Segment").text() == "Segment"
    person.click(step(construct, "Segment"))
    assert construct.page() is segment
    assert segment.value().mpp == 0.5
    assert "of the tissue" in person.words(segment)


def test_closing_the_dock_ends_its_jobs(qtbot, viewer, construct, fake) -> None:
    fake.steps, fake.seconds = 1000, 0.02
    start(construct)
    qtbot.waitUntil(lambda: bool(fake.runs), timeout=60_000)
    person.click(step(construct, "Models"))
    person.click(dock_of(construct).titleBarWidget().findChild(QPushButton, "QTitleBarCloseButton"))
    qtbot.waitUntil(lambda: fake.closed == 1, timeout=60_000)
    assert [layer.name for layer in viewer.layers] == ["slide"]


@pytest.mark.parametrize("width", [300, 700])
def test_nothing_is_cut_at_300_pixels(qtbot, viewer, construct, width) -> None:
    dock = dock_of(construct)
    window = dock.parentWidget()
    assert isinstance(window, QMainWindow)
    window.resize(1400, 560)  # a dock of about 500 pixels
    for each in STEPS.values():
        person.click(step(construct, each.short))
        settle(qtbot, construct)
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        QApplication.processEvents()
        assert dock.width() <= max(width, 320)  # the fonts differ between systems
        assert dock.height() <= 540
        last = person.find(construct.page(), "Copy as Command line", QPushButton)
        assert last.visibleRegion().boundingRect() == last.rect()
        for button in (step(construct, other.short) for other in STEPS.values()):
            assert button.visibleRegion().boundingRect() == button.rect()
            assert button.width() >= button.sizeHint().width()


def test_docks_of_ours_share_a_place(qtbot, viewer) -> None:
    def opens(name: str) -> QDockWidget:
        dock, widget = viewer.window.add_plugin_dock_widget("napari-construct", name)
        settle(qtbot, widget)
        qtbot.waitUntil(lambda: not widget.visibleRegion().isEmpty())
        return dock

    opened = [opens("Segment")]
    alone = opened[0].height()
    opened += [opens(name) for name in ("Refine", "Batch")]
    qtbot.waitUntil(lambda: opened[-1].height() > 0.9 * alone)  # less the tabs
    assert opened[0].widget().visibleRegion().isEmpty()
    assert not opened[-1].widget().visibleRegion().isEmpty()
    window = opened[0].parentWidget()
    assert isinstance(window, QMainWindow)
    assert set(window.tabifiedDockWidgets(opened[-1])) == set(opened[:-1])


def test_a_step_opens_in_the_dock_where_it_is_open_else_alone(qtbot, viewer, construct) -> None:
    refine = show_step(viewer, "refine")
    assert construct.page() is refine
    viewer.window.remove_dock_widget(construct)
    alone = show_step(viewer, "models")
    settle(qtbot, alone)
    assert dock_of(alone).isVisible()
    assert show_step(viewer, "models") is alone


@pytest.mark.parametrize("name", ["Segment", "Prototypes"])
def test_a_folder_that_is_dropped_leads_to_batch(qtbot, viewer, construct, tmp_path, name) -> None:
    person.click(step(construct, name))
    page = construct.page()
    settle(qtbot, page)
    assert person.drop(page, [tmp_path])
    assert construct.step() == "batch"
    assert construct.page()._inputs.value() == [tmp_path]
    settle(qtbot, construct.page())


def test_a_result_that_looks_right(qtbot, viewer, construct, monkeypatch) -> None:
    asked: list[str] = []
    dialog = lambda *args, **_: (asked.append(args[-1]), ("", ""))[1]  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", dialog)
    assert "Looks right" not in person.words(construct)
    run(qtbot, construct)
    qtbot.waitUntil(lambda: "Looks right" in person.words(construct))
    viewer.layers.selection.active = viewer.layers["slide"]
    person.click(person.find(construct, "Save..."))
    assert viewer.layers.selection == {viewer.layers["slide"]}  # to save chooses no other layer
    assert len(asked) == 1
    segment = construct.page()
    person.click(person.find(construct, "Batch..."))
    batch = construct.page()
    settle(qtbot, batch)
    assert construct.step() == "batch"
    assert batch.value().model == segment.model()
    assert "slide" in batch._inputs.items().item(0, 0).text()
    assert batch.value().segment.classes is None


def test_a_result_that_looks_wrong(qtbot, viewer, construct) -> None:
    run(qtbot, construct)
    qtbot.waitUntil(lambda: "Looks wrong" in person.words(construct))
    mask = viewer.layers["slide mask"]
    assert isinstance(mask, Labels)
    person.click(person.find(construct, "Correct"))
    assert "1 tumour, 2 lymphoid" in person.words(construct)
    assert mask.mode == "paint"
    person.press(person.find(construct, "Correct"), "2")  # where the click has left the keyboard
    assert mask.selected_label == 2
    before = mask.data.copy()
    person.stroke(person.canvas(viewer))
    assert (mask.data != before).any()
    person.undo(person.canvas(viewer))
    assert (mask.data == before).all()
    person.click(person.find(construct, "Train on my own tissue"))
    assert construct.step() == "train"


def test_the_row_goes_with_the_layer_and_with_the_next_run(qtbot, viewer, construct, fake) -> None:
    run(qtbot, construct)
    qtbot.waitUntil(lambda: "Looks wrong" in person.words(construct))
    fake.steps, fake.seconds = 50, 0.02
    start(construct)
    assert construct.isRunning()
    assert "Looks wrong" not in person.words(construct)
    qtbot.waitUntil(lambda: "Looks wrong" in person.words(construct), timeout=60_000)
    newest = [layer for layer in viewer.layers if isinstance(layer, Labels)][-1]
    viewer.layers.remove(newest)
    assert "Looks wrong" not in person.words(construct)


def test_a_step_fills_the_dock_however_many_docks_were_opened_before(qtbot, viewer, construct) -> None:
    viewer.window.remove_dock_widget(construct)
    _, again = viewer.window.add_plugin_dock_widget("napari-construct", "ConStruct")
    settle(qtbot, again)
    qtbot.waitUntil(lambda: again.page().isVisible())
    page = again.page()
    bottom = page.mapTo(again, page.rect().bottomLeft()).y()
    assert again.height() - bottom < 20
