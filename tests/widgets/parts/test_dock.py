"""What every dock with a job shares, on the smallest dock there can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit
from tests.widgets.conftest import button, run_job

from napari_construct.events import Event, Steps
from napari_construct.exceptions import InputError
from napari_construct.widgets.fields.message_label import Problem
from napari_construct.widgets.parts.dock import JobDock

pytestmark = pytest.mark.gui


@dataclass(frozen=True, slots=True)
class Request:
    name: str


def name_job(request: Request) -> Steps[Labels]:
    yield Event("naming", 0, 1)
    return Labels(np.zeros((4, 4), np.uint8), name=request.name)


class Names(JobDock[Request, Labels]):
    """Adds a layer of the name that is typed."""

    verb = "Name"
    recipes = (lambda request: f"python {request.name}", lambda request: f"command {request.name}")
    copy_tip = "Copy the name as {}"

    def __init__(self, viewer) -> None:
        super().__init__(viewer)
        self.line = QLineEdit(self)
        self._lay_out(QLabel("Name", self), self.line)
        self.line.textChanged.connect(self._refresh)
        self._refresh()

    def request(self) -> Request | None:
        if self.line.text() == "bad":
            raise InputError("expected a good name, got bad; choose another")
        if self.line.text() == "taken":
            self.control.showMessage("This name is taken.")
            return None
        return Request(self.line.text())

    def launch(self, request: Request) -> None:
        self.start("Name", name_job, request)

    def problem(self) -> Problem:
        return Problem("" if self.line.text() else "Type a name.")

    def _on_result(self, layer: Labels) -> None:
        self.control.summarise(f"{layer.name} was added.")
        self._adder.add([layer])


@pytest.fixture
def dock(viewer) -> Names:
    dock = Names(viewer)
    viewer.window.add_dock_widget(dock, name="Names")
    return dock


def test_runs_a_job_on_the_request_and_adds_its_layer(qtbot, viewer, dock) -> None:
    dock.line.setText("mask")
    run_job(qtbot, dock)
    assert [layer.name for layer in viewer.layers] == ["mask"]
    assert dock.message() == "mask was added."


@pytest.mark.parametrize(
    ("name", "said"), [("", "Type a name."), ("bad", "expected a good name"), ("taken", "is taken")]
)
def test_says_why_it_does_not_run(viewer, dock, name, said) -> None:
    dock.line.setText(name)
    dock.run()
    assert not dock.isRunning()
    assert said in dock.message()


def test_copies_the_run_as_text(dock) -> None:
    QApplication.clipboard().setText("before")
    button(dock, "Copy as Python").click()
    assert QApplication.clipboard().text() == "before"
    dock.line.setText("mask")
    button(dock, "Copy as Python").click()
    assert QApplication.clipboard().text() == "python mask"
    button(dock, "Copy as Command line").click()
    assert QApplication.clipboard().text() == "command mask"
    assert dock.message() == "Copied to the clipboard."
    dock.line.setText("bad")
    button(dock, "Copy as Python").click()
    assert "expected a good name" in dock.message()
    assert QApplication.clipboard().text() == "command mask"
