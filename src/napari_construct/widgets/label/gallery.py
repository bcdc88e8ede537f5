"""Labels the patches of a session with keys: one large, the others in a strip."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, cast

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QFocusEvent, QKeyEvent
from qtpy.QtWidgets import QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.labelling.order import Order
from napari_construct.labelling.session import LabelSession
from napari_construct.widgets.fields.controls import wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.label.class_keys import ClassKeys
from napari_construct.widgets.label.keys import HELP, Action, action_of
from napari_construct.widgets.label.move_row import MoveRow
from napari_construct.widgets.label.picture import PatchPicture
from napari_construct.widgets.label.strip import PatchStrip

_SAVE_AFTER: Final = 1500
"""Milliseconds without a label after which the table is written; the labels are on disk before."""


class LabelGallery(QWidget):
    """Edits the labels of a :class:`~napari_construct.labelling.session.LabelSession`.

    It takes the keys of :mod:`~.keys` while it has the focus, and no others; none of them reaches napari
    then. Its buttons take no focus away.
    """

    changed = Signal()
    """A label was given or taken back."""
    sessionChanged = Signal()
    """Another session, or none."""
    failed = Signal(object)
    """Something could not be read or written."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: LabelSession | None = None
        self._order: tuple[int, ...] = ()
        self._places: dict[int, int] = {}
        self._place = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Patches to label")
        self.setToolTip(HELP)
        self._progress = wrapped_label("Progress", "How many patches are labelled, by class", self)
        self.picture = PatchPicture(self)
        self._about = wrapped_label("About the patch", "Its place, and what the model takes it for", self)
        self.classes = ClassKeys(self)
        self.strip = PatchStrip(self)
        self.moves = MoveRow(self)
        tip = "They count while the patch has a frame: click it, or press Tab"
        keys = wrapped_label("Keys", tip, self, HELP)
        parts = self._progress, self.picture, self._about, self.classes, self.strip, self.moves, keys
        stacked(self, *parts).setStretch(1, 1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SAVE_AFTER)
        self._timer.timeout.connect(self.save)
        self.classes.toggled.connect(self.toggle)
        self.classes.noneChosen.connect(self.setNone)
        self.strip.chosen.connect(self.goTo)
        self.moves.orderChosen.connect(self._on_sort)
        self.moves.undoRequested.connect(self.undo)
        self.moves.redoRequested.connect(self.redo)
        self.moves.openRequested.connect(self.goToUnlabelled)

    def session(self) -> LabelSession | None:
        """What is labelled; None while nothing is."""
        return self._session

    def showSession(self, session: LabelSession | None) -> None:
        """Label the patches of a session, from the first without a label on; the one before is closed."""
        before, self._session = self._session, session
        self._timer.stop()
        if before is not None and before is not session:
            self._tried(before.close)
        self.classes.showClasses(None if session is None else session.classes)
        self.moves.setOrders(session is not None and bool(session.model))
        self._sort_by("cut")
        if session is not None:
            # also where the window goes and nobody tells this widget; it must not be held by the connection
            self.destroyed.connect(partial(_close, session))
            self.goToUnlabelled(at=0)
        self.sessionChanged.emit()

    def close_session(self) -> None:
        """Save and close; the folder is free for others then."""
        self.showSession(None)

    def number(self) -> int | None:
        """The patch on view; None while there is none."""
        return self._order[self._place] if self._order else None

    def numbers(self) -> tuple[int, ...]:
        """The patches in their order."""
        return self._order

    def place(self) -> int:
        """Its place in the order, from 0."""
        return self._place

    def order(self) -> Order:
        """How the patches are ordered."""
        return self.moves.order()

    def setOrder(self, by: Order) -> None:
        """Order the patches, and go to the first without a label."""
        self.moves.setOrder(by)
        self._on_sort()

    def goTo(self, place: int) -> None:
        """Show the patch at a place in the order; beyond the ends, the last one there."""
        if self._order:
            self._place = min(max(place, 0), len(self._order) - 1)
            self._show()

    def goToUnlabelled(self, *_: object, at: int | None = None) -> None:
        """Show the next patch without a label, from the one on view or a place on; stay where there is "
        "none.
        """
        if self._session is None or not self._order:
            return
        start, count = (self._place + 1 if at is None else at), len(self._order)
        places = ((start + step) % count for step in range(count))
        labels = self._session.labels
        self.goTo(next((p for p in places if labels(self._order[p]) is None), self._place))

    def toggle(self, tissue: int) -> None:
        """Say that a class is in the patch on view, or is not."""
        session, number = self._session, self.number()
        if session is not None and number is not None and tissue < len(session.classes):
            self._tried(lambda: session.toggle(number, tissue))
            self._on_labelled(number)

    def setNone(self) -> None:
        """Say that the patch on view shows none of the classes; said again, it is taken back."""
        session, number = self._session, self.number()
        if session is not None and number is not None:
            labels = None if session.labels(number) == frozenset() else frozenset[int]()
            self._tried(lambda: session.set(number, labels))
            self._on_labelled(number)

    def undo(self, *_: object) -> None:
        """Take back the last label, and show its patch."""
        self._again("undo")

    def redo(self, *_: object) -> None:
        """Give again what was taken back, and show its patch."""
        self._again("redo")

    def save(self) -> None:
        """Write the table that training reads."""
        if self._session is not None:
            self._tried(self._session.save)

    def event(self, event: QEvent) -> bool:
        # napari's and the window's shortcuts ask first; what is ours comes as a key then
        asks = event.type() == QEvent.Type.ShortcutOverride
        if asks and self._action(cast("QKeyEvent", event)) is not None:
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        action = self._action(event)
        if action is None:
            super().keyPressEvent(event)
            return
        event.accept()
        if action.repeats or not event.isAutoRepeat():
            self._do(action)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if self._action(event) is None:
            super().keyReleaseEvent(event)
        else:
            event.accept()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.picture.setActive(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.picture.setActive(False)

    def _action(self, event: QKeyEvent) -> Action | None:
        return None if self._session is None else action_of(event)

    def _do(self, action: Action) -> None:
        moves: dict[str, Callable[[], object]] = {
            "none": self.setNone,
            "next": lambda: self.goTo(self._place + 1),
            "back": lambda: self.goTo(self._place - 1),
            "first": lambda: self.goTo(0),
            "last": lambda: self.goTo(len(self._order)),
            "unlabelled": self.goToUnlabelled,
            "undo": self.undo,
            "redo": self.redo,
        }
        if action.kind == "class":
            self.toggle(action.tissue)
        else:
            moves[action.kind]()

    def _again(self, what: str) -> None:
        if self._session is None:
            return
        found: list[int | None] = []
        session = self._session
        self._tried(lambda: found.append(session.undo() if what == "undo" else session.redo()))
        number = found[0] if found else None
        if number is not None:
            self.goTo(self._places[number])
            self._on_labelled(number)

    def _on_sort(self, *_: object) -> None:
        self._sort_by(self.order())
        self.goToUnlabelled(at=0)
        self.setFocus()

    def _sort_by(self, by: Order) -> None:
        self._order = () if self._session is None else self._session.order(by)
        self._places = {number: place for place, number in enumerate(self._order)}
        self._place = 0
        self.strip.showSession(self._session, self._order)
        self._show()

    def _on_labelled(self, number: int) -> None:
        self.strip.refresh(self._places[number])
        self._show_labels()
        self._timer.start()
        self.changed.emit()

    def _show(self) -> None:
        number = self.number()
        if self._session is None or number is None:
            self.picture.showPatch(None, None)
            self._about.setText("")
        else:
            try:
                self.picture.showPatch(self._session.pixels(number), self._session.around(number))
            except ConstructError as error:
                self.picture.showPatch(None, None)
                self.failed.emit(error)
            self._about.setText(self._words(self._session, number))
            self.strip.showPlace(self._place)
        self._show_labels()

    def _show_labels(self) -> None:
        number = self.number()
        if self._session is None or number is None:
            self.classes.showLabels(None)
            self._progress.setText("No patches to label yet.")
            return
        self.classes.showLabels(self._session.labels(number))
        self._progress.setText(f"{self._session.progress()}.")

    def _words(self, session: LabelSession, number: int) -> str:
        patch = session.patches[number]
        said = f"Patch {self._place + 1}, of {patch.group}"
        guess = ", ".join(f"{name} {100 * p:.0f} %" for name, p in session.guess(number)[:3])
        return f"{said}. {session.model}: {guess}" if guess else said

    def _tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ConstructError as error:
            self.failed.emit(error)


def _close(session: LabelSession, *_: object) -> None:
    """Save and close; what cannot be written is in the journal."""
    with suppress(ConstructError):
        session.close()
