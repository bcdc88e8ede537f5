"""A proposal to read the classes of masks in another order; nothing changes before it is accepted."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_construct.events import Event, Notice, Result, Steps, forward
from napari_construct.metrics.class_order import OrderDoubt
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked


def without_notice(steps: Steps[Result]) -> Steps[Result]:
    """Pass a job on without the notice of another order, which an :class:`OrderRow` proposes."""
    said: list[str] = []

    def once(event: Event) -> tuple[Event, ...]:
        if isinstance(event, OrderDoubt):
            said.append(event.said)
        if isinstance(event, Notice) and any(event.message.startswith(text) for text in said):
            return ()
        return (event,)

    return forward(steps, once)


class OrderRow(QWidget):
    """A sentence with a button that accepts the proposal and one that keeps the order; hidden without one.

    Parameters
    ----------
    words, tip : str
        Text and tooltip of the button that accepts.
    """

    used = Signal()
    kept = Signal()

    def __init__(self, words: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = wrapped_label("Order of the classes in the masks", "Compared with the classes", self)
        self._buttons = QWidget(self)
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(button(words, tip, self.used, self), 1)
        row.addWidget(button("Keep", "Keep the order as it is", self.kept, self, name="Keep the order"))
        stacked(self, self._label, self._buttons)
        self.hide()

    def propose(self, text: str) -> None:
        """Show a proposal; an empty text hides it."""
        self._label.setText(text)
        self._buttons.show()
        self.setVisible(bool(text))

    def say(self, text: str) -> None:
        """Show what became of the proposal, without buttons."""
        self._label.setText(text)
        self._buttons.hide()
        self.setVisible(bool(text))
