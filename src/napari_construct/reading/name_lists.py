"""Lists of names in a line of text, as people type them: ``a,b`` or ``"stroma, loose",tumour``.

A name that holds a separator, or begins with a quote, stands in double quotes; a quote inside is doubled, as
in CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import normal

QUOTE: Final = '"'


def parse_names(texts: str | Sequence[str], known: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of one text, or of several in order.

    Parameters
    ----------
    texts : str or sequence of str
        Names separated by commas; spaces around them do not count.
    known : sequence of str
        A whole text that is one of these names is this name, whatever it holds.

    Raises
    ------
    ConfigurationError
        If a quote is not closed.
    """
    exact = {normal(name): name for name in known}
    found: list[str] = []
    for text in (texts,) if isinstance(texts, str) else texts:
        whole = normal(text.strip())
        if whole in exact:
            found.append(exact[whole])
        else:
            found += (name for name in map(unquoted, split_quoted(text, ",")) if name)
    return tuple(found)


def names_as_text(names: Iterable[str], *, separator: str = ",", all_quoted: bool = False) -> str:
    """The text that :func:`parse_names` reads these names from.

    It never looks like JSON or the name of a table, which some options take beside names.
    """
    names = tuple(names)
    text = separator.join(quoted(name, always=all_quoted) for name in names)
    if text.startswith("{") or text.lower().endswith((".csv", ".json")):
        return separator.join(quoted(name, always=True) for name in names)
    return text


def quoted(name: str, separators: str = ",", *, always: bool = False) -> str:
    """A name as it is typed in a list."""
    plain = not (always or name.startswith(QUOTE) or any(mark in name for mark in separators))
    return name if plain else QUOTE + name.replace(QUOTE, 2 * QUOTE) + QUOTE


def unquoted(piece: str) -> str:
    """The name that was typed; without quotes and outer spaces."""
    piece = piece.strip()
    if len(piece) > 1 and piece.startswith(QUOTE) and piece.endswith(QUOTE):
        return piece[1:-1].replace(2 * QUOTE, QUOTE).strip()
    return piece


def split_quoted(text: str, separator: str, most: int = -1) -> list[str]:
    """Pieces of a text between separators that stand outside quotes; a quote opens at the start of a piece.

    Parameters
    ----------
    text : str
        The text.
    separator : str
        One character.
    most : int
        Separators to use at most; all by default.

    Raises
    ------
    ConfigurationError
        If a quote is not closed.
    """
    pieces, start, i = [], 0, 0
    while i < len(text):
        if text[i] == QUOTE and not text[start:i].strip():
            i = _end_of_quoted(text, i)
        elif text[i] == separator and most != 0:
            pieces.append(text[start:i])
            start, most = i + 1, most - 1
        i += 1
    return [*pieces, text[start:]]


def _end_of_quoted(text: str, start: int) -> int:
    """Position of the quote that closes the one at ``start``; doubled ones belong to the name."""
    end = text.find(QUOTE, start + 1)
    while end >= 0 and text[end + 1 : end + 2] == QUOTE:
        end = text.find(QUOTE, end + 2)
    if end < 0:
        raise ConfigurationError(
            f"expected a closing quote in the list of names, got {text[:80]!r}; write "
            '"stroma, loose",tumour, and double a quote that belongs to a name'
        )
    return end
