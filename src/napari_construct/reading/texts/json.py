"""JSON of bounded size, depth and number of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.texts.text import LARGEST, at, decoded, read_text, unreadable
from napari_construct.reading.texts.values import (
    DEEPEST,
    MOST,
    UnusableError,
    check_values,
    integer,
    number,
    too_deep,
    too_many,
)
from napari_construct.types import PathLike

_MARKS: Final = re.compile(r'"(?:[^"\\]++|\\[\s\S])*+"?|[\[{]|[\]}]|,')


def read_json(
    path: PathLike,
    *,
    what: str = "JSON",
    largest: int = LARGEST,
    error: type[ConstructError] = ConfigurationError,
) -> Any:
    """The value of a JSON file; parameters and errors as of :func:`~.text.read_text`, and of
    :func:`parse_json`.
    """
    return parse_json(read_text(path, what=what, largest=largest, error=error), at(path), what, error)


def parse_json(
    text: str | bytes, where: str, what: str = "JSON", error: type[ConstructError] = ConfigurationError
) -> Any:
    """The value of a JSON text.

    Parameters
    ----------
    text : str or bytes
        Read whole, so its size must be bounded.
    where, what, error
        Place and expectation of the error message, and its class.

    Raises
    ------
    ConstructError
        If it is no JSON, a name stands twice in one object, or it holds what :func:`~.values.check_values`
        refuses (NaN and infinity, too).
    """
    if isinstance(text, bytes):
        text = decoded(text, where, what, error)
    try:
        _check_shape(text)
        value = _DECODER.decode(text)
        check_values(value)
    except json.JSONDecodeError as found:
        place = f"line {found.lineno}, column {found.colno}"
        raise error(unreadable(where, what, f"text that is no JSON ({found.msg}, {place})")) from found
    except UnusableError as found:
        raise error(unreadable(where, what, str(found))) from found
    return value


def json_or_none(text: str | bytes) -> Any:
    """The value of a text of bounded size that may be JSON or not; None where it is not.

    For texts that are only looked at: whatever uses the value checks it.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _check_shape(text: str) -> None:
    """Bound depth and number of values before anything is built from the text."""
    opened = text.count("[") + text.count("{")
    if opened <= DEEPEST and opened + text.count(",") <= MOST:
        return  # brackets and commas within texts only make this too strict
    depth = count = 0
    for found in _MARKS.finditer(text):
        mark = found[0][0]
        if mark in "[{":
            depth, count = depth + 1, count + 1
            if depth > DEEPEST:
                raise too_deep()
        elif mark in "]}":
            depth -= 1
        elif mark == ",":
            count += 1
        if count > MOST:
            raise too_many()


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UnusableError(f"the name {quoted(name)} twice")
        found[name] = value
    return found


def _not_finite(name: str) -> Any:
    raise UnusableError(f"{name}, which is no finite number")


_DECODER: Final = json.JSONDecoder(
    parse_int=integer, parse_float=number, parse_constant=_not_finite, object_pairs_hook=_once
)
