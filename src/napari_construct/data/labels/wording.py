"""Words of folders, files and columns."""

from __future__ import annotations

import os

from napari_construct.reading.names import normal


def readable(name: str) -> str:
    """A file's name in composed letters; one that is not UTF-8 as Latin-1, which old systems wrote."""
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        return normal(name)
    return normal(os.fsencode(name).decode("latin-1"))


def spellings(words: str) -> frozenset[str]:
    """Words separated by spaces."""
    return frozenset(words.split())
