"""What a value of JSON, TOML or YAML may be, whichever it came from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Final

from napari_construct.reading.foreign import quoted

DEEPEST: Final = 64
"""Levels of lists and mappings within each other."""

MOST: Final = 1_000_000
"""Values in one text."""

SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**64 - 1
"""Integers of 64 bits, as arrays hold them."""

LONGEST_NUMBER: Final = 400
"""Characters of a number; one of 1e308 written out has 309."""


class UnusableError(ValueError):
    """A value that no setting, record or table of this package holds; becomes the caller's error."""


def too_deep() -> UnusableError:
    """Of more levels than :data:`DEEPEST`."""
    return UnusableError(f"more than {DEEPEST} levels of lists within lists")


def too_many(most: int = MOST) -> UnusableError:
    """Of more values than ``most``."""
    return UnusableError(f"more than {most:,} values")


def integer(text: str) -> int:
    """The integer of its digits.

    Raises
    ------
    UnusableError
        If it needs more than 64 bits.
    """
    if len(text) <= 24:
        value = int(text)
        if SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            return value
    raise UnusableError(f"the number {quoted(text, 40)}, which has more than 64 bits")


def number(text: str) -> float:
    """The finite number of its digits.

    Raises
    ------
    UnusableError
        If it is too large, or written with hundreds of digits.
    """
    if len(text) <= LONGEST_NUMBER and math.isfinite(value := float(text)):
        return value
    raise UnusableError(f"the number {quoted(text, 40)}, which is too large or too long")


def check_values(value: Any, most: int = MOST) -> None:
    """Refuse what would fail later: depth, number of values, numbers and texts without a form elsewhere.

    Raises
    ------
    UnusableError
        With the reason as "got ...".
    """
    waiting: list[tuple[Iterator[Any], int]] = [(iter((value,)), 0)]
    count = 0
    while waiting:
        values, depth = waiting[-1]
        for item in values:
            count += 1
            if count > most:
                raise too_many(most)
            inner = _checked(item)
            if inner is not None:
                if depth >= DEEPEST:
                    raise too_deep()
                waiting.append((inner, depth + 1))
                break
        else:
            waiting.pop()


def _checked(item: Any) -> Iterator[Any] | None:
    """The values within a list or mapping; None of a single good value."""
    if isinstance(item, list):
        return iter(item)
    if isinstance(item, dict):
        for key in item:
            _check_text(key)
        return iter(item.values())
    if isinstance(item, str):
        _check_text(item)
    elif isinstance(item, bool):
        pass
    elif isinstance(item, int):
        if not SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
            raise UnusableError("a number of more than 64 bits")
    elif isinstance(item, float):
        if not math.isfinite(item):
            raise UnusableError(f"{item}, which is no finite number")
    elif isinstance(item, date | datetime | time):
        raise UnusableError(f"the date {item}; write dates in quotation marks")
    return None


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise UnusableError(f"the name {quoted(text)}, which is no text")
    if "\0" in text:
        raise UnusableError("a text that holds a zero character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableError(f"the text {quoted(text)}, which holds half a character") from error
