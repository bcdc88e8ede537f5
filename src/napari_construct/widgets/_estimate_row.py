"""What a run will cost: a button that asks, and the answer."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget


class EstimateRow(QWidget):
    """Asks for an estimate; shows it until something changes."""

    requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Estimate time and memory", self)
        self.button.setToolTip("Take a few real steps and say what the run will cost; nothing is written")
        self.button.setAccessibleName("Estimate time and memory")
        self.button.clicked.connect(self._on_clicked)
        self._label = QLabel(self)
        self._label.setWordWrap(True)
        self._label.setMinimumWidth(40)
        self._label.setToolTip("Measured with these settings on this computer, as busy as it was")
        self._label.setAccessibleName("Estimate")
        self._label.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self._label)

    def text(self) -> str:
        """The estimate on view."""
        return self._label.text()

    def showEstimate(self, text: str) -> None:
        """Show an estimate; an empty text forgets the last one."""
        self._label.setText(text)
        self._label.setVisible(bool(text))

    def _on_clicked(self, *_: object) -> None:
        self.requested.emit()
