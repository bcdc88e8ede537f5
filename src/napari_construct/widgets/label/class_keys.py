"""The classes with their keys, as buttons that show what the patch has."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget
from superqt import QFlowLayout

from napari_construct.classes import ClassTable
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.layout import swatch
from napari_construct.widgets.label.keys import DIGITS

_LONGEST: Final = 28


class ClassKeys(QWidget):
    """One button a class, and one for none of them; they take clicks and no focus."""

    toggled = Signal(int)
    noneChosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._buttons: list[QPushButton] = []
        self._flow = QFlowLayout(self)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.setHorizontalSpacing(4)
        self._flow.setVerticalSpacing(4)
        tip = "The patch shows none of the classes (key 0). That is a label, too"
        self._none = self._button("0 none", "None of the classes", tip)
        self._none.clicked.connect(self._on_none)

    def showClasses(self, classes: ClassTable | None) -> None:
        """Show the classes of a session."""
        for old in self._buttons:
            self._flow.removeWidget(old)
            old.deleteLater()
        self._buttons = []
        self._flow.removeWidget(self._none)
        for i, tissue in enumerate(classes or ()):
            key = f"{i + 1} " if i < DIGITS else ""
            by = f"key {i + 1}" if key else "it has no key: only nine do"
            name = tissue.name if len(tissue.name) <= _LONGEST else f"{tissue.name[: _LONGEST - 3]}..."
            tip = f"{tissue.name} is in the patch ({by})"
            made = self._button(key + name.replace("&", "&&"), tissue.name, tip)
            made.setIcon(swatch(tissue.colour))
            made.setProperty("tissue", i)
            made.clicked.connect(self._on_clicked)
            self._flow.addWidget(made)
            self._buttons.append(made)
        self._flow.addWidget(self._none)

    def showLabels(self, labels: frozenset[int] | None) -> None:
        """Show the labels of a patch."""
        for i, one in enumerate(self._buttons):
            one.setChecked(labels is not None and i in labels)
        self._none.setChecked(labels is not None and not labels)

    def _button(self, text: str, name: str, tip: str) -> QPushButton:
        made = named(QPushButton(text, self), name, tip)
        made.setCheckable(True)
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        made.setStyleSheet("QPushButton { padding: 3px 6px; }")
        return made

    def _on_clicked(self, *_: object) -> None:
        self.toggled.emit(int(self.sender().property("tissue")))

    def _on_none(self, *_: object) -> None:
        self.noneChosen.emit()
