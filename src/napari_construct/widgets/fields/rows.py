"""What a form shows, declared: one row a setting, groups of rows under a title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from napari_construct.widgets.fields.fields import Number


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in the form. Its kind and its range are those of the settings' own field.

    Attributes
    ----------
    key : str
        Name of the field, with a dot before fields of its parts: "crf.iterations".
    label, tip : str
        What it is called; what it does.
    unit : str
        Behind the label, in brackets.
    none : str
        What None means, for settings that may be None.
    choices : mapping or None
        Values and their words, for one of a few.
    typed : bool
        Whether another text than the choices may be typed.
    states : tuple or None
        The values of a switch, unticked and ticked.
    usual : tuple of float or None
        Ends of a slider; without it a number is only typed. A slider that may be None has a tick.
    start : object
        What such a slider shows while it is None.
    step : float or None
        Of the arrows; by default 1 for whole numbers, else 0.05.
    decimals : int or None
        Digits shown; by default none for whole numbers and sliders over more than 10, else 2.
    hint : str
        Shown in an empty text.
    live : bool
        Whether a text is taken at every letter, not when it is complete.
    separator : str
        Between the parts of a text that stands for several.
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
        What they are together.
    rows : sequence of Row or Group
        What is inside.
    key : str
        A part of the settings that may be None: the title then has a tick.
    start : BaseModel or None
        What the rows of such a part show while it is None.
    folded : bool
        Whether it is folded at first.
    """

    title: str
    tip: str
    rows: Sequence[Row | Group]
    key: str = ""
    start: BaseModel | None = None
    folded: bool = False
