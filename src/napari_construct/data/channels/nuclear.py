"""Which channels show nuclei, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NUCLEAR_STAINS: Final = (
    "dapi",
    "hoechst",
    "nuclear",
    "nuclei",
    "nucleus",
    "dna",
    "draq5",
    "syto",
    "h3",
    "hh3",
    "histone",
)
"""Parts of the names of channels that show nuclei."""


def nuclear_channels(names: Sequence[str]) -> tuple[int, ...]:
    """Positions of the channels that are called as a nuclear stain."""
    return tuple(i for i, one in enumerate(names) if any(stain in one.casefold() for stain in NUCLEAR_STAINS))
