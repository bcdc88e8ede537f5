"""Docks of this plugin share a place: a new one becomes a tab beside the others, instead of halving them."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_OURS: Final = "of napari-construct"
"""A property of Qt that tells our docks from those of others."""


class TabbedDock(QWidget):
    """A dock widget that, when it is first shown, joins the tabs of the plugin's docks in the same area.

    Afterwards it stays where the user puts it. Inside another widget it does nothing of its own.
    """

    busyChanged = Signal(bool)
    """A job began, or is over."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty(_OURS, True)
        self._placed = False

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            # napari first gives the new dock its place and its height
            QTimer.singleShot(0, self._join)

    def _join(self) -> None:
        dock = self.parentWidget()
        window = None if dock is None else dock.parentWidget()
        if not (isinstance(dock, QDockWidget) and isinstance(window, QMainWindow)) or dock.isFloating():
            return
        others = [other for other in _docks(window) if other is not dock and _same_area(window, other, dock)]
        if others and dock not in window.tabifiedDockWidgets(others[-1]):
            window.tabifyDockWidget(others[-1], dock)
            to_front(self)


def to_front(widget: QWidget) -> None:
    """Show the dock around a widget, before the others of its tabs."""
    dock = widget.parentWidget()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    if dock is not None:
        dock.show()
        dock.raise_()


def _docks(window: QMainWindow) -> list[QDockWidget]:
    """The plugin's docks that are in the window, in front or behind another tab."""
    found = (dock for dock in window.findChildren(QDockWidget) if not dock.isHidden())
    return [dock for dock in found if dock.widget() is not None and dock.widget().property(_OURS)]


def _same_area(window: QMainWindow, one: QDockWidget, other: QDockWidget) -> bool:
    return not one.isFloating() and window.dockWidgetArea(one) == window.dockWidgetArea(other)
