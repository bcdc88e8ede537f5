"""Lists of names in messages."""

from __future__ import annotations

import os
from collections.abc import Sequence

from napari_construct.reading.foreign import harmless
from napari_construct.reading.names import normal


def named(names: Sequence[str], most: int = 5) -> str:
    """The first few names and how many more there are."""
    more = len(names) - most
    return ", ".join(harmless(name, 150) for name in names[:most]) + (f" and {more} more" if more > 0 else "")


def readable(name: str) -> str:
    """A file's name in composed letters; one that is not UTF-8 as Latin-1, which old systems wrote."""
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        return normal(name)
    return normal(os.fsencode(name).decode("latin-1"))


def spellings(words: str) -> frozenset[str]:
    """Words separated by spaces."""
    return frozenset(words.split())
