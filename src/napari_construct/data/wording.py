"""Lists of names in messages."""

from __future__ import annotations

from collections.abc import Sequence


def named(names: Sequence[str], most: int = 5) -> str:
    """The first few names and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def spellings(words: str) -> frozenset[str]:
    """Words separated by spaces."""
    return frozenset(words.split())
