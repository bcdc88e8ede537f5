"""The declaration of a form: one row per setting, and groups of rows under a title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from napari_construct.widgets.fields.fields import Number


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of a form; type and range come from the settings' field.

    Attributes
    ----------
    key : str
        Name of the field, dotted for fields of parts: "crf.iterations".
    label, tip : str
        Label and tooltip.
    unit : str
        Shown in brackets after the label.
    none : str
        Text for None, for settings that may be None.
    choices : mapping or None
        Values and their texts, for one of a few.
    typed : bool
        Whether other values may be typed.
    states : tuple
        The values of a check box, unticked and ticked.
    usual : tuple of float or None
        Ends of a slider; without it a number is only typed. A slider that may be None has a check box.
    start : object
        The slider's value while the setting is None.
    step : float or None
        Step of the arrows; by default 1 for whole numbers, else 0.05.
    decimals : int or None
        Digits shown; by default none for whole numbers and sliders over more than 10, else 2.
    hint : str
        Shown in an empty text.
    live : bool
        Whether a text counts at every letter, not only when it is complete.
    separator : str
        Separator of a field with several texts.
    """

    key: str
    label: str
    tip: str
    unit: str = ""
    none: str = "automatic"
    choices: Mapping[Any, str] | None = None
    typed: bool = False
    states: tuple[Any, Any] = (False, True)
    usual: tuple[Number, Number] | None = None
    start: Any = None
    step: Number | None = None
    decimals: int | None = None
    hint: str = ""
    live: bool = False
    separator: str = ""

    @property
    def words(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a title.

    Attributes
    ----------
    title, tip : str
        Title and tooltip.
    rows : sequence of Row or Group
        The content.
    key : str
        A part of the settings that may be None; the title then has a check box.
    start : BaseModel or None
        The values of the rows while that part is None.
    folded : bool
        Whether it is closed at first.
    """

    title: str
    tip: str
    rows: Sequence[Row | Group]
    key: str = ""
    start: BaseModel | None = None
    folded: bool = False
