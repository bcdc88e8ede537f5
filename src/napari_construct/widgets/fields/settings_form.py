"""A form that edits one frozen settings object; its rows are declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractButton, QComboBox, QFormLayout, QGroupBox, QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.settings import Settings
from napari_construct.widgets.fields.changed import ChangedMark, RowLabel, mark_field, said
from napari_construct.widgets.fields.controls import named, tick
from napari_construct.widgets.fields.fields import SwitchField
from napari_construct.widgets.fields.layout import Fold, fold, form
from napari_construct.widgets.fields.row_fields import field_of, schema_of
from napari_construct.widgets.fields.rows import Group, Row

_LEAST_WIDTH: Final = 90
"""Pixels; the style's own width would make a dock of several groups wider than napari's usual 320."""

_COMBO_WIDTH: Final = 120
"""Pixels in which "Automatic" is not cut, beside the arrow."""

Edited = TypeVar("Edited", bound=Settings)


class SettingsForm(QWidget, Generic[Edited]):
    """Edits one frozen settings object; fields without a row stay as they were set.

    Rows that differ from ``start`` are shown as changed (:mod:`~napari_construct.widgets.fields.changed`).

    Parameters
    ----------
    start : settings
        Shown first; the default of every row.
    rows : sequence of Row or Group
        The form from top to bottom.
    """

    valueChanged = Signal()

    def __init__(self, start: Edited, rows: Sequence[Row | Group], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = start
        self._fields: dict[str, Any] = {}
        self._ticks: dict[str, QAbstractButton | QGroupBox] = {}
        self._starts: dict[str, Any] = {}
        self._defaults = start
        self._marks: dict[str, ChangedMark] = {}
        self._folds: list[tuple[Fold, tuple[str, ...]]] = []
        self._quiet = True
        self._build(_form(self), rows)
        self._show(start)

    def value(self) -> Edited:
        """The shown settings.

        Raises
        ------
        ConfigurationError
            If they contradict each other; :meth:`problem` explains it.
        """
        return self._base.changed(**self.plain())

    def setValue(self, value: Edited) -> None:
        """Show settings; emits ``valueChanged`` once if they differ."""
        before = self.known()
        self._base = value
        self._show(value)
        if value != before:
            self.valueChanged.emit()

    def known(self) -> Edited | None:
        """The shown settings; None if they contradict each other."""
        try:
            return self.value()
        except ConstructError:
            return None

    def problem(self) -> str:
        """Why the settings cannot be run, or nothing."""
        try:
            self.value()
        except ConstructError as error:
            return str(error)
        return ""

    def field(self, key: str) -> Any:
        """The control of a setting: ``get()``, ``put(value)``, ``edited``."""
        return self._fields[key]

    def plain(self) -> dict[str, Any]:
        """Names and values of all settings, not checked."""
        plain = self._base.model_dump()
        for key, start in self._starts.items():
            if isinstance(start, BaseModel) and not isinstance(plain[key], dict):
                plain[key] = start.model_dump()
        for key, field in self._fields.items():
            *parts, name = key.split(".")
            place = plain
            for part in parts:
                place = place[part]
            place[name] = field.get()
        return plain | {key: None for key, box in self._ticks.items() if not box.isChecked()}

    def setStart(self, key: str, start: Any) -> None:
        """Set the values that the rows of ``key`` show while it is None."""
        self._starts[key] = start
        if not self._ticks[key].isChecked():
            self._show(self._base)
        for name, mark in self._marks.items():
            if name.startswith(f"{key}."):
                mark.setDefault(self._found(self._defaults, name))

    def setDefault(self, key: str, default: Any) -> None:
        """Say what a row's default is here, such as a value found in the data; the row keeps its value."""
        self._marks[key].setDefault(default)

    def changedRows(self) -> tuple[str, ...]:
        """Keys of the rows that are shown as changed."""
        return tuple(key for key, mark in self._marks.items() if mark.isChanged)

    def setRowVisible(self, key: str, visible: bool) -> None:
        """Show or hide a row."""
        field = self._fields[key]
        field.parent().layout().setRowVisible(field, visible)

    def moveRow(self, key: str, target: QFormLayout) -> None:
        """Move label and control of a setting to the end of another form; this one still edits it."""
        field: QWidget = self._fields[key]
        label = self.layout().labelForField(field)
        self.layout().takeRow(field)
        target.addRow(label, field)

    def addField(self, key: str, words: str, tip: str, field: Any, target: QFormLayout) -> None:
        """Edit a setting with a control of its own kind, at the end of another form."""
        self._fields[key] = field
        describe(field, words, tip)
        label = RowLabel(words, tip, field, target.parentWidget())
        target.addRow(label, field)
        self._marks[key] = mark_field(words, field, getattr(self._defaults, key), label)
        self._show(self._base)
        field.edited.connect(self._on_edited)

    def _show(self, value: Edited) -> None:
        self._quiet = True
        for key, box in self._ticks.items():
            box.setChecked(getattr(value, key) is not None)
        for key, field in self._fields.items():
            field.put(self._found(value, key))
        self._quiet = False
        self._told = self.plain()
        for mark in self._marks.values():
            mark.refresh()

    def _found(self, value: Any, key: str) -> Any:
        """A setting by its dotted name, or its start value while it is None."""
        path = ""
        for name in key.split("."):
            path = f"{path}.{name}" if path else name
            value = getattr(value, name)
            start = self._starts.get(path)
            if value is None or (isinstance(start, BaseModel) and not isinstance(value, BaseModel)):
                value = start
        return value

    def _build(self, layout: QFormLayout, rows: Sequence[Row | Group]) -> None:
        for row in rows:
            if isinstance(row, Group):
                layout.addRow(self._group(row, layout.parentWidget()))
            else:
                self._add(row, layout)

    def _group(self, group: Group, parent: QWidget) -> QWidget:
        box = QWidget(parent) if group.folded else QGroupBox(group.title, parent)
        if group.key:
            box.setCheckable(True)
            self._add_tick(group.key, box, group.title, group.start)
        box.setToolTip(group.tip)
        rows = _form(box)
        if not group.folded:
            rows.setContentsMargins(4, 8, 4, 4)
        self._build(rows, group.rows)
        if not group.folded:
            return box
        folded = fold(group.title, group.tip, box, parent)
        self._folds.append((folded, _keys(group)))
        return folded

    def _add(self, row: Row, layout: QFormLayout) -> None:
        schema = schema_of(self._owner(row.key), row.key.rpartition(".")[2])
        field = field_of(row, schema, layout.parentWidget())
        self._fields[row.key] = field
        describe(field, row.words, row.tip)
        field.edited.connect(self._on_edited)
        if isinstance(field, SwitchField):
            layout.addRow(field)
        elif row.usual and "null" in schema["types"]:
            own = tick(row.words, row.tip, layout.parentWidget())
            own.toggled.connect(field.setEnabled)
            field.setEnabled(False)
            self._add_tick(row.key, own, f"{row.words}, custom value", row.start)
            layout.addRow(own, field)
        else:
            layout.addRow(RowLabel(row.words, row.tip, field, layout.parentWidget()), field)
        self._mark(row, field, layout)

    def _mark(self, row: Row, field: Any, layout: QFormLayout) -> None:
        """Show on the row's label, or on its tick, where the value is not the default."""
        own = self._ticks.get(row.key)
        if own is None:
            shown = layout.labelForField(field) or field
            mark = mark_field(row.label, field, self._found(self._defaults, row.key), shown)
        else:

            def get() -> Any:
                return field.get() if own.isChecked() else None

            def put(value: Any) -> None:
                own.setChecked(value is not None)
                if value is not None:
                    field.put(value)

            default = getattr(self._defaults, row.key)
            mark = ChangedMark(row.label, get, put, default, lambda value: said(field, value), own)
            field.edited.connect(mark.refresh)
            own.toggled.connect(mark.refresh)
        mark.changed.connect(self._count_changed)
        self._marks[row.key] = mark

    def _count_changed(self) -> None:
        """Say on a closed part how much in it is changed."""
        changed = self.changedRows()
        for folded, keys in self._folds:
            count = sum(key in changed for key in keys)
            folded.setNote(f"{count} changed" if count else "")

    def _add_tick(self, key: str, box: Any, name: str, start: Any) -> None:
        self._ticks[key], self._starts[key] = box, start
        box.setAccessibleName(name)
        box.toggled.connect(self._on_edited)

    def _owner(self, key: str) -> type[BaseModel]:
        """The settings, or the part of them, that a field belongs to."""
        parts = key.rpartition(".")[0]
        return type(self._found(self._base, parts) if parts else self._base)

    def _on_edited(self, *_: object) -> None:
        if not self._quiet and (plain := self.plain()) != self._told:
            self._told = plain
            self.valueChanged.emit()


def _keys(group: Group) -> tuple[str, ...]:
    """Keys of all rows in a group."""
    found: list[str] = []
    for row in group.rows:
        found += _keys(row) if isinstance(row, Group) else (row.key,)
    return tuple(found)


def describe(field: Any, name: str, tip: str) -> None:
    """Give a control of a form its accessible name, its tooltip and the width it may shrink to."""
    named(field, name, tip)
    field.setMinimumWidth(_LEAST_WIDTH if not isinstance(field, QComboBox) else _COMBO_WIDTH)


def _form(parent: QWidget) -> QFormLayout:
    """A form whose fields go below their labels where both do not fit beside each other."""
    made = form(parent)
    made.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    return made
