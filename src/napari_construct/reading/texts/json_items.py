"""Lists in JSON of any length, one item at a time.

The items are decoded by the standard library, so that what other programs write and JSON does not allow (NaN,
a name twice in one object) is borne. The package ``ijson`` was tried: it takes half as long again, refuses
NaN, and its memory grows with the square of the depth of nesting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from napari_construct.reading.texts.values import UnusableError, too_deep

LARGEST_ITEM: Final = 64 * 2**20
"""Characters of one item: a polygon of four million points."""

_MOST_NAMES: Final = 1000
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_decode: Final = json.JSONDecoder().raw_decode


def json_items(pieces: Iterator[str], name: str, largest: int = LARGEST_ITEM) -> Iterator[Any]:
    """The items of a list; memory is that of the largest item.

    Parameters
    ----------
    pieces : iterator of str
        The text, cut anywhere.
    name : str
        The list is the whole text, or under this name in an object; the object's other values are ignored.
        An object without this name is the only item itself.
    largest : int
        Characters of one item.

    Raises
    ------
    UnusableError
        If the text is no JSON, ends too early, or an item is too large or too deeply nested; the items
        before were given.
    """
    text = _Text(pieces, largest)
    first = text.sign()
    if first == "[":
        yield from _elements(text)
    elif first == "{":
        yield from _members(text, name)
    else:
        raise UnusableError("an empty file" if not first else f"text that is no list ({text.where()})")
    if text.sign():
        raise UnusableError(f"more text behind the end ({text.where()})")


def _elements(text: _Text) -> Iterator[Any]:
    text.take("[")
    if text.sign() == "]":
        text.take("]")
        return
    while True:
        yield text.value()
        if text.sign() == "]":
            text.take("]")
            return
        text.take(",")


def _members(text: _Text, name: str) -> Iterator[Any]:
    text.take("{")
    others: dict[str, Any] = {}
    streamed = False
    while text.sign() != "}":
        key = text.value()
        if not isinstance(key, str) or len(others) > _MOST_NAMES:
            raise UnusableError(f"an object without names, or with thousands ({text.where()})")
        text.take(":")
        if key == name and text.sign() == "[":
            yield from _elements(text)
            streamed = True
        else:
            others[key] = text.value()
        if text.sign() != "}":
            text.take(",")
    text.take("}")
    if not streamed:
        yield others


class _Text:
    """A text that comes in pieces, of which one value at a time is held."""

    def __init__(self, pieces: Iterator[str], largest: int) -> None:
        self._pieces, self._largest = pieces, largest
        self._held, self._at, self._before, self._ended = "", 0, 0, False

    def where(self) -> str:
        return f"at character {self._before + self._at:,}"

    def sign(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._held) or not self._more(1):
                return self._held[self._at : self._at + 1]

    def take(self, sign: str) -> None:
        """Go on behind a character that must be next."""
        if self.sign() != sign:
            found = "the end of the file" if self._ended and self._at >= len(self._held) else self.where()
            raise UnusableError(f"no {sign!r} where one belongs ({found})")
        self._at += 1

    def value(self) -> Any:
        """The next value, for which as much text is fetched as it needs."""
        self.sign()
        while True:
            try:
                value, end = _decode(self._held, self._at)
            except json.JSONDecodeError as error:
                reason = f"{error.msg}, at character {self._before + error.pos:,}"
            except RecursionError:
                raise too_deep() from None
            except ValueError as error:  # an integer of thousands of digits
                raise UnusableError(f"a number of thousands of digits ({self.where()})") from error
            else:
                if end < len(self._held) or self._held[end - 1] in '}]"':
                    self._at = end
                    return value
                reason = ""  # a number may go on in the next piece
            length = len(self._held) - self._at
            if length > self._largest:
                raise UnusableError(
                    f"an item of more than {self._largest:,} characters, or no JSON ({reason})"
                )
            if not self._more(max(length, 1)):
                if not reason:
                    self._at = end
                    return value
                raise UnusableError(f"text that is no JSON, or ends too early ({reason})")

    def _more(self, count: int) -> bool:
        """Fetch at least ``count`` characters, and let go of those that were read; False at the end."""
        parts, fetched = [self._held[self._at :]], 0
        while fetched < count and not self._ended:
            part = next(self._pieces, None)
            self._ended = part is None
            parts.append(part or "")
            fetched += len(parts[-1])
        self._before += self._at
        self._held, self._at = "".join(parts), 0
        return fetched > 0
