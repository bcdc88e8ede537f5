"""What is being typed counts when the run is started, by key or by button, in every field of every dock."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, Qt, QThreadPool
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QPushButton, QTableWidget, QVBoxLayout, QWidget
from tests.widgets import person

from napari_construct.classes import ClassTable
from napari_construct.widgets.batch import Batch
from napari_construct.widgets.evaluate import Evaluate
from napari_construct.widgets.fields.fields import NumberField, TextField
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.models import Models
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]

DOCKS = (SegmentTissue, Prototypes, TrainAdapters, Batch, Evaluate, Models)


def unfold(dock: QWidget) -> None:
    """Open every part that is closed, and those inside."""
    for _ in range(3):
        for button in dock.findChildren(QPushButton):
            closed = button.accessibleName().endswith("open or close") and not button.isChecked()
            if closed and button.isVisible():
                person.click(button)


def press_run_key(field: QWidget) -> None:
    focus = QApplication.focusWidget()
    assert focus is not None
    person.press(focus, Qt.Key.Key_Return, person.CONTROL)


@pytest.mark.parametrize("kind", DOCKS, ids=lambda kind: kind.__name__)
def test_the_run_key_takes_every_number_and_text(qtbot, viewer, kind) -> None:
    dock = kind(viewer)
    viewer.window.add_dock_widget(dock, name=kind.__name__)
    if kind is Evaluate:
        dock.setValue(dock.value().changed(mode="folders"))
    qtbot.waitUntil(dock.isVisible)
    QApplication.processEvents()
    unfold(dock)
    numbers = [f for f in dock.findChildren(NumberField) if f.isVisible() and f.isEnabled()]
    for field in numbers:
        wanted = field.minimum() + 2 * field.singleStep()
        wanted += field.singleStep() if field.get() == pytest.approx(wanted) else 0
        person.write(field, f"{wanted:.{field.decimals()}f}".replace(".", ","), end=None)
        press_run_key(field)
        assert field.get() == pytest.approx(wanted), field.accessibleName()
    texts = [f for f in dock.findChildren(TextField) + dock.findChildren(PathRow) if f.isVisible()]
    for field in texts:
        line = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
        if not line.isEnabled():
            continue
        told = []
        field.edited.connect(lambda told=told: told.append(1))
        person.write(line, "some words", end=None)
        press_run_key(line)
        assert told, line.accessibleName()
    if kind is not Models:
        assert numbers
    for ready in ("isLooking", "isPreparing", "isListing"):
        qtbot.waitUntil(lambda r=ready: not getattr(dock, r, lambda: False)(), timeout=120_000)
    # Segment reads the default model, and imports torch for it
    qtbot.waitUntil(lambda: not QThreadPool.globalInstance().activeThreadCount(), timeout=120_000)


@pytest.mark.parametrize("way", ["key", "click", "tab and space"])
def test_the_run_uses_what_was_typed_last(qtbot, widget: SegmentTissue, fake, way) -> None:
    field = person.find(widget, "Pixel size (µm)")
    person.write(field, "0,5", end=None)
    run = person.find(widget, "Segment", QPushButton)
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        if way == "key":
            press_run_key(field)
        elif way == "click":
            person.click(run)
        else:
            person.press(field, Qt.Key.Key_Tab)
            run.setFocus()
            person.press(run, Qt.Key.Key_Space)
    assert fake.runs[-1].mpp == 0.5
    if way == "key":
        assert QApplication.focusWidget() is field  # and typing goes on there


def test_the_run_key_takes_a_cell_in_edit_mode(qtbot) -> None:
    dock = QWidget()
    qtbot.addWidget(dock)
    editor = ClassTableEditor(dock, names_editable=True)
    editor.setValue(ClassTable.from_names(("tumour", "stroma")))
    control = RunControl("Run", dock)
    layout = QVBoxLayout(dock)
    layout.addWidget(editor)
    layout.addWidget(control)
    dock.show()
    assert QTest.qWaitForWindowExposed(dock)
    dock.activateWindow()
    assert QTest.qWaitForWindowActive(dock)
    table = editor.findChild(QTableWidget)
    cell = table.visualItemRect(table.item(1, 1)).center()
    QTest.mouseClick(table.viewport(), person.LEFT, person.NONE, cell)
    QTest.mouseDClick(table.viewport(), person.LEFT, person.NONE, QPoint(cell))
    line = table.findChild(QLineEdit)
    assert line is not None
    line.selectAll()
    QTest.keyClicks(line, "vessel")
    seen = []
    control.runRequested.connect(lambda: seen.append(editor.value().names))
    person.press(line, Qt.Key.Key_Return, person.CONTROL)
    assert seen == [("tumour", "vessel")]
