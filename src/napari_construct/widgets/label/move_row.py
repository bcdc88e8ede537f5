"""In which order patches come; undo, redo, and the next without a label."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget
from superqt import QFlowLayout

from napari_construct.labelling.order import ORDERS, Order
from napari_construct.widgets.fields.controls import button, narrow, plain_tip
from napari_construct.widgets.fields.fields import narrow_combo

_ORDERS: Final = {"cut": "As chosen", "guess": "By the guess", "doubt": "By the doubt"}
_TIP: Final = (
    "In which order patches come. By the guess: the surest of each class, class by class. By the doubt: "
    "those first that the model is least sure of"
)
_SPACE: Final = 4


class MoveRow(QWidget):
    """Edits the order; its buttons take clicks and no focus."""

    orderChosen = Signal()
    undoRequested = Signal()
    redoRequested = Signal()
    openRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sort = narrow_combo(self, "Order", _TIP, _ORDERS)
        narrow(self._sort, 14)
        flow = QFlowLayout(self)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(_SPACE)
        flow.setVerticalSpacing(_SPACE)
        flow.addWidget(self._sort)
        for text, tip, signal in (
            ("Undo", "Take back the last label (Ctrl+Z)", self.undoRequested),
            ("Redo", "Give it again (Ctrl+Shift+Z)", self.redoRequested),
            ("Next open", "Go to the next patch without a label (N)", self.openRequested),
        ):
            made = button(text, tip, signal, self)
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            made.setStyleSheet("QPushButton { padding: 3px 6px; }")
            flow.addWidget(made)
        self._sort.activated.connect(self._on_chosen)

    def order(self) -> Order:
        """How the patches are ordered."""
        return ORDERS[max(self._sort.currentIndex(), 0)]

    def setOrder(self, by: Order) -> None:
        self._sort.setCurrentIndex(ORDERS.index(by))

    def setOrders(self, guesses: bool) -> None:
        """Begin as chosen; whether there are guesses of a model to order by."""
        self.setOrder("cut")
        self._sort.setEnabled(guesses)
        self._sort.setToolTip(plain_tip(_TIP if guesses else "Only of patches that were cut with a model"))

    def _on_chosen(self, *_: object) -> None:
        self.orderChosen.emit()
