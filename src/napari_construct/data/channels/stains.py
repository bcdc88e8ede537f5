"""Channels that show nuclei or membranes, by their names."""

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

MEMBRANE_STAINS: Final = (
    "membrane",
    "cadherin",
    "ecad",
    "wga",
    "catenin",
    "na/k",
    "cd45",
    "keratin",
    "actin",
)
"""Parts of the names of channels that show where cells end."""


def shows(name: str, stains: Sequence[str]) -> bool:
    """Whether a channel of this name shows one of the stains."""
    return any(stain in name.casefold() for stain in stains)


def channels_showing(names: Sequence[str], stains: Sequence[str]) -> tuple[int, ...]:
    """Positions of the channels whose names are those of stains."""
    return tuple(i for i, name in enumerate(names) if shows(name, stains))
