"""The control of a form's row, with the range of the settings' field."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.fields import (
    ChoiceField,
    NumberField,
    SwitchField,
    TextField,
    TextsField,
)
from napari_construct.widgets.fields.number_slider import NumberSlider
from napari_construct.widgets.fields.rows import Row

_FAR: Final = 1e12
"""Upper end of a number field whose setting has no upper bound."""
_FINE: Final = 10
"""Sliders with a longer range have whole steps."""


def schema_of(model: type[BaseModel], name: str) -> dict[str, Any]:
    """The JSON schema of a settings' field, with all its types."""
    found = model.model_json_schema()["properties"][name]
    forms = found.get("anyOf", [found])
    bounds = {key: value for form in forms for key, value in form.items()}
    return bounds | {"types": {form.get("type") for form in forms}}


def field_of(row: Row, schema: dict[str, Any], parent: QWidget) -> Any:
    """The control of a setting."""
    types = schema["types"]
    if row.choices is not None:
        return ChoiceField(row.choices, typed=row.typed, parent=parent)
    if "boolean" in types or row.states != (False, True):
        off, on = row.states
        return SwitchField(row.words, on=on, off=off, parent=parent)
    if "array" in types:
        return TextsField(row.separator, row.hint, parent=parent)
    if "string" in types:
        return TextField(row.hint, none=None if "null" in types else "", live=row.live, parent=parent)
    return _number(row, schema, parent)


def _number(row: Row, schema: dict[str, Any], parent: QWidget) -> NumberField | NumberSlider:
    """A number with the field's range; None lies below it, or at a bound that is excluded."""
    whole = "integer" in schema["types"]
    few = whole or (row.usual is not None and row.usual[1] - row.usual[0] > _FINE)
    decimals = row.decimals if row.decimals is not None else 0 if few else 2
    step = row.step or (1 if few else 0.05)
    least = 10.0**-decimals
    beyond = schema.get("exclusiveMinimum", schema.get("minimum", 0) - step)
    lowest = schema.get("minimum", beyond + least)
    highest = schema.get("maximum", schema.get("exclusiveMaximum", _FAR + least) - least)
    none = row.none if "null" in schema["types"] and not row.usual else ""
    field = NumberField(beyond if none else lowest, highest, step, decimals, none_text=none, parent=parent)
    return field if row.usual is None else NumberSlider(row.usual, field, parent=parent)
