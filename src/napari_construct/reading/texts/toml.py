"""TOML of bounded size, depth and number of names."""

from __future__ import annotations

import re
import tomllib
from datetime import date, time
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.texts.text import LARGEST_SETTINGS, at, read_text, unreadable
from napari_construct.reading.texts.values import DEEPEST, UnusableError, check_values, number, too_deep
from napari_construct.types import PathLike

MOST_PARTS: Final = 16
"""Parts of one dotted name, ``a.b.c``."""

MOST_NAMES: Final = 50_000
"""Names and dots in one text: the standard parser keeps about a kilobyte for each."""

# texts as one mark each and no comments: what remains is outside of texts. No part is tried twice, and a text
# without an end reaches to that of its line or file, where the parser stops, too
_TEXTS: Final = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?(?:"{3,5}|\\?\Z)|\'\'\'[\s\S]*?(?:\'{3,5}|\Z)'
    r'|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+'
)
_DOTTED: Final = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{MOST_PARTS},}}")


def read_toml(
    path: PathLike,
    *,
    what: str = "TOML",
    largest: int = LARGEST_SETTINGS,
    error: type[ConstructError] = ConfigurationError,
) -> dict[str, Any]:
    """The tables of a TOML file; dates come as text.

    Parameters and errors as of :func:`~.text.read_text`, and of :func:`parse_toml`.
    """
    return parse_toml(read_text(path, what=what, largest=largest, error=error), at(path), what, error)


def parse_toml(
    text: str, where: str, what: str = "TOML", error: type[ConstructError] = ConfigurationError
) -> dict[str, Any]:
    """The tables of a TOML text; dates come as text.

    Parameters
    ----------
    text : str
        The standard parser keeps much for each part of a name, so depth and names are bounded first.
    where, what, error
        Place and expectation of the error message, and its class.

    Raises
    ------
    ConstructError
        If it is no TOML, or holds what :func:`~.values.check_values` refuses.
    """
    try:
        _check_shape(text)
        found = _plain(tomllib.loads(text, parse_float=number))
        check_values(found)
    except UnusableError as problem:
        raise error(unreadable(where, what, str(problem))) from problem
    except (ValueError, RecursionError) as problem:  # TOMLDecodeError; dates such as 0000-00-00
        known = isinstance(problem, tomllib.TOMLDecodeError)
        reason = problem if known else "a number or date out of range, or too many levels"
        raise error(unreadable(where, what, reason)) from problem
    return dict(found)


def _check_shape(text: str) -> None:
    bare = _TEXTS.sub(lambda found: "" if found[0][0] == "#" else "s", text)
    if _DOTTED.search(bare):
        raise UnusableError(f"a name of more than {MOST_PARTS} parts with dots between them")
    if bare.count("=") + bare.count(".") + bare.count("[") + bare.count("{") > MOST_NAMES:
        raise UnusableError(f"more than {MOST_NAMES:,} names")
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        if bracket in "[{":
            depth += 1
        elif bracket in "]}":
            depth -= 1
        if depth > DEEPEST:
            raise too_deep()


def _plain(value: Any) -> Any:
    """Dates and times as text; the depth is bounded by :func:`_check_shape`."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
