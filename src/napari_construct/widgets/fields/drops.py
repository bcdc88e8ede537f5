"""Files and folders that are dropped on a dock or on one of its fields."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QLineEdit, QWidget

_EVENTS: Final = (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop)


class Drops(QObject):
    """Takes files and folders that are dropped on a widget.

    Lines of text inside it take no drops any more: Qt would write the address of the file into them. What
    a field does not take is offered to the dock around it.

    Parameters
    ----------
    widget : QWidget
        The dock or field, with its fields.
    take : callable
        Name of the widget's method that takes the paths and returns why it takes not all of them, or nothing.
    say : str
        Name of its method that shows this.
    fits : str
        Name of its method that says whether it takes the paths at all; without one it always does.
    """

    def __init__(self, widget: QWidget, take: str, say: str = "", fits: str = "") -> None:
        super().__init__(widget)
        self._widget, self._names = weakref.ref(widget), (take, say, fits)
        for line in widget.findChildren(QLineEdit):
            line.setAcceptDrops(False)
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() in _EVENTS:
            return self._on_drag(cast("QDropEvent", event))
        return super().eventFilter(watched, event)

    def _on_drag(self, event: QDropEvent) -> bool:
        widget, paths = self._widget(), dropped(event)
        take, say, fits = self._names
        if widget is None or not paths or (fits and not getattr(widget, fits)(paths)):
            event.ignore()
            return True
        event.acceptProposedAction()
        if event.type() == QEvent.Type.Drop and (said := getattr(widget, take)(paths)) and say:
            getattr(widget, say)(said)
        return True


def dropped(event: QDropEvent) -> list[Path]:
    """The files and folders of a drag; empty for texts and for addresses on the web."""
    mime = event.mimeData()
    urls: Sequence[Any] = () if mime is None else mime.urls()
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]


def refused(paths: Sequence[Path], expected: str) -> str:
    """What is said of dropped paths that are of no use here; empty without any."""
    if not paths:
        return ""
    names = ", ".join(path.name for path in paths[:3]) + (" and others" if len(paths) > 3 else "")
    return f"{names}: cannot be used here. Drop {expected}."
