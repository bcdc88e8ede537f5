"""The dock widget ConStruct: the steps of the work in one dock, one page a step."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_construct.widgets.construct.step_row import StepRow
from napari_construct.widgets.parts.navigation import STEPS
from napari_construct.widgets.parts.tabs import TabbedDock

if TYPE_CHECKING:
    import napari.viewer


class Construct(TabbedDock):
    """A row of steps, and below it the dock widget of the chosen one.

    A page is made when its step is first chosen. It keeps what it shows, and its job, while another step is
    on view; it goes with this widget.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        What every page works on.
    """

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._pages: dict[str, Any] = {}
        self._row = StepRow(self)
        self._stack = QStackedWidget(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._row)
        layout.addWidget(self._stack, 1)
        # else napari adds a stretch below, which takes the more height the more docks were opened before
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.showStep(next(iter(STEPS)))
        self._row.chosen.connect(self.showStep)
        self.closed.connect(self._on_closed)

    def step(self) -> str:
        """Key of the step on view."""
        return self._row.step()

    def page(self) -> Any:
        """The widget of the step on view."""
        return self._stack.currentWidget()

    def showStep(self, step: str) -> Any:
        """Show a step; its widget, which is made at the first time."""
        page = self._pages.get(step) or self._make(step)
        self._stack.setCurrentWidget(page)
        self._row.setStep(step)
        return page

    def isRunning(self) -> bool:
        """Whether a job runs in any step."""
        return any(page.isRunning() for page in self._pages.values())

    def message(self) -> str:
        """The message of the step on view."""
        return str(self.page().message())

    def _on_closed(self) -> None:
        for page in self._pages.values():
            page.closed.emit()

    def _make(self, step: str) -> Any:
        module, _, name = STEPS[step].place.partition(":")
        self._pages[step] = page = getattr(import_module(module), name)(self._viewer)
        self._stack.addWidget(page)
        page.busyChanged.connect(self._row.button(step).setRunning)
        return page
