"""Rows that differ from their default are shown so: a bold label, the default in its tooltip, a way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from napari_construct.widgets.fields.controls import named, plain_label, plain_tip
from napari_construct.widgets.fields.fields import ChoiceField, NumberField, SwitchField
from napari_construct.widgets.fields.number_slider import NumberSlider

_BACK: Final = "\u21ba"


class ChangedMark(QObject):
    """Compares one value with its default, and shows on a widget of its row where they differ.

    Parameters
    ----------
    name : str
        Of the row, for people.
    get, put : callable
        Read and set the value.
    default : object
        The value that needs no mark.
    words : callable
        A value as text.
    parent : QWidget
        The row's label, or its tick; it turns bold.
    """

    changed = Signal()

    def __init__(
        self,
        name: str,
        get: Callable[[], Any],
        put: Callable[[Any], None],
        default: Any,
        words: Callable[[Any], str],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._name, self._get, self._put, self._words = name, get, put, words
        self._default, self._is_changed = default, False
        self._shown, self._tip = parent, parent.toolTip()
        self._button = parent.back if isinstance(parent, RowLabel) else None
        self._action = QAction(f"Reset {name}", self)
        self._action.triggered.connect(self.reset)
        if self._button is not None:
            self._button.clicked.connect(self.reset)
        self.refresh()

    @property
    def isChanged(self) -> bool:
        """Whether the value differs from its default."""
        return self._is_changed

    def setDefault(self, default: Any) -> None:
        """Another default, such as what was found in the data."""
        self._default = default
        self.refresh()

    def reset(self, *_: object) -> None:
        """Put the default back."""
        self._put(self._default)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Compare again."""
        before, self._is_changed = self._is_changed, self._get() != self._default
        said = f"Default: {self._words(self._default)}" if self._is_changed else ""
        font = self._shown.font()
        font.setBold(self._is_changed)
        self._shown.setFont(font)
        if self._button is not None:
            self._button.setVisible(self._is_changed)
            named(self._button, f"Reset {self._name}", f"{said}. Click to return to it")
        else:
            self._offer_reset()
        self._shown.setToolTip(plain_tip("\n".join(part for part in (self._tip, said) if part)))
        if before != self._is_changed:
            self.changed.emit()

    def _offer_reset(self) -> None:
        """A tick has no room for a button: it has a menu."""
        policy = Qt.ContextMenuPolicy
        if self._is_changed and not self._shown.actions():
            self._shown.addAction(self._action)
        elif not self._is_changed:
            self._shown.removeAction(self._action)
        has_menu = self._is_changed
        self._shown.setContextMenuPolicy(policy.ActionsContextMenu if has_menu else policy.DefaultContextMenu)


class RowLabel(QWidget):
    """The label of a row, with a button beside it while the row is changed."""

    def __init__(self, text: str, tip: str, field: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text: QLabel = plain_label(self, text)
        self.text.setBuddy(field)
        self.back = QToolButton(self)
        self.back.setText(_BACK)
        self.back.setAutoRaise(True)
        self.back.setFixedSize(14, 14)
        self.back.setStyleSheet("QToolButton { padding: 0; margin: 0; border: none; }")
        self.back.hide()
        self.setToolTip(plain_tip(tip))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.text)
        row.addWidget(self.back)
        row.addStretch(1)


def mark_field(name: str, field: Any, default: Any, shown: QWidget) -> ChangedMark:
    """The mark of a field of :mod:`~napari_construct.widgets.fields.fields`."""
    mark = ChangedMark(name, field.get, field.put, default, lambda value: said(field, value), shown)
    field.edited.connect(mark.refresh)
    return mark


def said(field: Any, value: Any) -> str:
    """A value as the field writes it."""
    if isinstance(field, NumberSlider):
        return "off" if value is None else f"{value:g}"
    if isinstance(field, ChoiceField):
        return field.wordsOf(value)
    if isinstance(field, SwitchField):
        return "on" if value == field.onValue() else "off"
    if isinstance(field, NumberField):
        return field.wordsOf(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value or "empty")
