"""Words of folders, files and columns."""

from __future__ import annotations

import os
from typing import Final

from napari_construct.reading.names import normal

_YES: Final = frozenset({"1", "1.0", "1,0", "true", "t", "yes", "y", "x"})
_NO: Final = frozenset({"0", "0.0", "0,0", "false", "f", "no", "n", "-"})


def readable(name: str) -> str:
    """A file's name in composed letters; one that is not UTF-8 as Latin-1, which old systems wrote."""
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        return normal(name)
    return normal(os.fsencode(name).decode("latin-1"))


def spellings(words: str) -> frozenset[str]:
    """Words separated by spaces."""
    return frozenset(words.split())


def label_value(text: str) -> bool | None:
    """What the cell of a label says: yes, no, or neither."""
    plain = text.strip().casefold()
    return True if plain in _YES else False if plain in _NO else None
