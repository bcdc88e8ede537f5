"""The numbers and switches of a training run: what users need, and the rest kept as it was set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QVBoxLayout, QWidget

from napari_construct.encoders.catalogue.overview import overview
from napari_construct.exceptions import ConstructError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.fields.fields import (
    ChoiceField,
    NumberField,
    SwitchField,
    TextField,
    WholeField,
)
from napari_construct.widgets.train.rows import ADVANCED, BASIC, Row

_STATES: Final = {
    "bundled": "bundled",
    "installed": "installed",
    "available": "to be downloaded",
    "gated": "ask for access",
}
_ABSENT: Final = ("available", "gated")


class TrainOptions(QWidget):
    """Edits a :class:`~napari_construct.training.config.config.TrainingConfig`.

    Fields that have no control keep what was set. ``basic`` is this widget; ``advanced`` is a second one
    that belongs to it and is put where there is room.
    """

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._base = TrainingConfig()
        self._fields: dict[str, Any] = {}
        self._states = _encoder_states()
        self._quiet = False
        self.advanced = QWidget(parent)
        column = QVBoxLayout(self.advanced)
        column.setContentsMargins(0, 0, 0, 0)
        form = _form(self)
        form.setContentsMargins(0, 0, 0, 0)
        self._add_rows(form, BASIC)
        for title, rows in ADVANCED.items():
            box = QGroupBox(title, self.advanced)
            self._add_rows(_form(box), rows)
            column.addWidget(box)
        self._show(self._base)

    def value(self) -> TrainingConfig:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other; :meth:`problem` says so.
        """
        plain = self._base.model_dump()
        for path, field in self._fields.items():
            *parts, name = path.split(".")
            place = plain
            for part in parts:
                place = place[part]
            place[name] = field.get()
        return TrainingConfig.checked(**plain)

    def setValue(self, value: TrainingConfig) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.known()
        self._base = value
        with self._silence():
            self._show(value)
        if value != before:
            self.valueChanged.emit()

    def problem(self) -> str:
        """Why the settings cannot be run, or nothing."""
        try:
            config = self.value()
        except ConstructError as error:
            return str(error)
        if config.mpp is not None and config.patch_mpp is None:
            return (
                "Say how many µm a pixel of the patches has: the network shall see a resolution of its own."
            )
        for name in (config.model.encoder, config.model.teacher):
            if name is not None and self._states.get(name) in _ABSENT:
                return (
                    f"The encoder {name} is not on this computer yet: open Models, or run "
                    f"napari-construct models download {name}."
                )
        return ""

    def known(self) -> TrainingConfig | None:
        """The settings on view; None where they contradict each other."""
        try:
            return self.value()
        except ConstructError:
            return None

    def _show(self, value: TrainingConfig) -> None:
        for path, field in self._fields.items():
            found: Any = value
            for name in path.split("."):
                found = getattr(found, name)
            field.put(found)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _add_rows(self, form: QFormLayout, rows: tuple[Row, ...]) -> None:
        for row in rows:
            field = self._field(row)
            field.setToolTip(row.tip)
            field.setAccessibleName(row.words)
            field.edited.connect(self._on_edited)
            self._fields[row.path] = field
            if isinstance(field, SwitchField):
                form.addRow(field)
            else:
                form.addRow(row.words, field)

    def _field(self, row: Row) -> Any:
        kind, given = row.kind, row.given
        if kind == "whole":
            return WholeField(**given, parent=self)
        if kind == "real":
            return NumberField(**given, parent=self)
        if kind == "switch":
            return SwitchField(row.words, **given, parent=self)
        if kind == "text":
            return TextField(**given, parent=self)
        choices = dict(given.get("choices", {}))
        if kind == "encoder":
            choices |= {"auto": "automatic"} if row.path == "model.encoder" else {}
            choices |= {name: f"{name} ({_STATES[state]})" for name, state in self._states.items()}
        return ChoiceField(choices, typed=kind == "encoder", parent=self)

    def _on_edited(self) -> None:
        if not self._quiet:
            self.valueChanged.emit()


def _form(parent: QWidget) -> QFormLayout:
    form = QFormLayout(parent)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _encoder_states() -> dict[str, str]:
    """Encoders by id and what is here of them; families, which are no encoder yet, left out."""
    try:
        known = {status.entry.id: status.state for status in overview() if not status.entry.family}
    except ConstructError:  # the user's own catalogue is wrong; Models says why
        known = {"mini": "bundled"}
    return {"auto": "bundled", **known}
