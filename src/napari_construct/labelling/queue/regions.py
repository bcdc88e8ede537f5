"""A region of an image, and what was said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

State: TypeAlias = Literal["waiting", "accepted", "corrected", "skipped"]
STATES: Final[tuple[State, ...]] = ("waiting", "accepted", "corrected", "skipped")


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an image, in pixels of the image (level 0 of a slide).

    Attributes
    ----------
    source : str
        Name of the image.
    row, column, height, width : int
        Place.
    gain : float
        Doubt x diversity x tissue, in [0, 1]; larger ones come first.
    doubt, diversity, tissue : float
        Mean doubt of its tissue, distance to what was known, and share of tissue, in [0, 1] each.
    guess : str
        Class with the largest mean probability; empty where there is none.
    state : {"waiting", "accepted", "corrected", "skipped"}
        What a person said.
    """

    source: str
    row: int
    column: int
    height: int
    width: int
    gain: float = 0.0
    doubt: float = 0.0
    diversity: float = 1.0
    tissue: float = 1.0
    guess: str = ""
    state: State = "waiting"

    @property
    def key(self) -> tuple[str, int, int, int, int]:
        """Place, by which regions are the same."""
        return self.source, self.row, self.column, self.height, self.width

    def overlaps(self, other: Region) -> bool:
        """Whether two share a pixel."""
        return (
            self.source == other.source
            and self.row < other.row + other.height
            and other.row < self.row + self.height
            and self.column < other.column + other.width
            and other.column < self.column + self.width
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}
