"""Controls as every dock makes them: narrow enough for it, with a tooltip and an accessible name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QWidget,
)

Control = TypeVar("Control", bound=QWidget)


def named(control: Control, name: str, tip: str) -> Control:
    """The same control, with its accessible name and its tooltip."""
    control.setAccessibleName(name)
    control.setToolTip(plain_tip(tip))
    return control


def plain_tip(text: str) -> str:
    """A tooltip that shows a text as it is; Qt would take the name ``<b>x</b>`` of a file for HTML."""
    return f"<qt>{escape(text)}</qt>" if "<" in text else text


def plain_label(parent: QWidget | None, text: str = "") -> QLabel:
    """A label that shows names of files, layers and classes as they are."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    return label


def button(
    text: str, tip: str, clicked: Callable[..., Any], parent: QWidget, *, name: str = ""
) -> QPushButton:
    """A button that calls a slot or emits a signal; its accessible name is its text by default."""
    made = named(QPushButton(text, parent), name or text, tip)
    made.clicked.connect(clicked)
    return made


def tick(text: str, tip: str, parent: QWidget) -> QCheckBox:
    """A check box."""
    return named(QCheckBox(text, parent), text, tip)


def wrapped_label(name: str, tip: str, parent: QWidget, text: str = "") -> QLabel:
    """A plain label that wraps; a long word does not widen the dock."""
    label = named(plain_label(parent, text), name, tip)
    label.setWordWrap(True)
    label.setMinimumWidth(40)
    return label


def line_edit(name: str, tip: str, parent: QWidget, hint: str = "") -> QLineEdit:
    """A line of text; ``hint`` is shown while it is empty."""
    line = named(QLineEdit(parent), name, tip)
    line.setPlaceholderText(hint)
    line.setMinimumWidth(60)
    return line


def narrow(combo: QComboBox, letters: int = 8) -> None:
    """Make a combo box ask for the width of some letters, not of its longest item."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(letters)


class ReadOnlyTable(QTableWidget):
    """A table whose rows can be chosen, not edited; its first column takes the width that is left."""

    def __init__(self, name: str, tip: str, heads: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(0, len(heads), parent)
        self.setHorizontalHeaderLabels(list(heads))
        header = self.horizontalHeader()
        header.setMinimumSectionSize(30)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().hide()
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        named(self, name, tip)
