"""A table of a report, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Content: TypeAlias = Mapping[str, Any]
"""A report as plain values, as its summary gives it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below a title; the first column names the row, the others are numbers.

    Attributes
    ----------
    title, note : str
        Title; explanation.
    columns : tuple of str
        Heads.
    rows : tuple of tuple of str
        As long as ``columns``.
    strong : int
        Number of last rows that summarise the others.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    strong: int = 0


def percent(value: float | None) -> str:
    """Two decimals, without the sign."""
    return "-" if value is None else f"{100 * value:.2f}"


def signed(value: float | None) -> str:
    """Percentage points with their sign."""
    return "-" if value is None else f"{100 * value:+.2f}"


def spread(value: float | None, std: float | None) -> str:
    """Mean, and standard deviation where there are several models."""
    return percent(value) if std is None else f"{percent(value)} ± {percent(std)}"


def interval(ends: Sequence[float] | None) -> str:
    """``low to high`` in percent."""
    return "-" if ends is None else f"{percent(ends[0])} to {percent(ends[1])}"
