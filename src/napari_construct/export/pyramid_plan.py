"""What a label pyramid is to hold, and where its shards and levels lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple

from pydantic import Field, JsonValue, field_validator, model_validator

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.settings import Settings

SHARD: Final = 4096
"""Side of a shard in pixels of level 0: 16 MB of labels, half a megabyte as a file."""
CHUNK: Final = 512
"""Side of the parts of a shard that a viewer reads one by one."""

MAPS: Final = ("probabilities", "cams")
"""Maps of the classes that may be stored: uint8 (k, rows, columns), 255 for 1."""

_COARSEST: Final = 256
"""No level follows one whose longer side is at most this."""
_SMALLEST: Final = 64
"""Side of the smallest shard of a level; below it, one overview would be thousands of files."""
_LONGEST: Final = 2**22
_MOST_SHARDS: Final = 2**18

Side = Annotated[int, Field(ge=1, le=_LONGEST)]
PixelSide = Annotated[float, Field(gt=0, lt=1e6)]


class Shard(NamedTuple):
    """A rectangle of level 0 that is written as one: pixels from ``top`` and ``left`` on."""

    top: int
    left: int
    height: int
    width: int


class PyramidPlan(Settings):
    """What a label pyramid holds; it is stored with it, and does not change.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of level 0.
    classes : ClassTable
        Names and colours; label ``i + 1`` is class ``i``.
    mpp : (float, float), optional
        Micrometres per pixel of the image that the labels lie on, along rows and columns.
    downsample : float
        Side of a pixel of level 0, in pixels of that image: 2.0 for labels of every second pixel.
    probabilities, cams : bool
        Whether probabilities and class activation maps of the classes are stored, too.
    shard, chunk : int
        Sides in pixels of level 0, powers of two.
    about : mapping
        What the caller wants to know again when it goes on: image, model and settings, as JSON.
    """

    shape: tuple[Side, Side]
    classes: ClassTable
    mpp: tuple[PixelSide, PixelSide] | None = None
    downsample: PixelSide = 1.0
    probabilities: bool = False
    cams: bool = False
    shard: Annotated[int, Field(ge=1, le=2**14)] = SHARD
    chunk: Annotated[int, Field(ge=1, le=2**12)] = CHUNK
    about: Annotated[dict[str, JsonValue], Field(default_factory=dict)]

    @field_validator("shard", "chunk")
    @classmethod
    def _power(cls, side: int) -> int:
        if side & (side - 1):
            raise ValueError(f"a power of two is needed, such as {SHARD} or {CHUNK}, got {side}")
        return side

    @model_validator(mode="after")
    def _fits(self) -> PyramidPlan:
        if self.chunk > self.shard:
            raise ValueError(
                f"expected chunks at most as large as shards ({self.shard}), got {self.chunk}; choose a "
                "smaller chunk"
            )
        rows, columns = self.grid
        if rows * columns > _MOST_SHARDS:
            raise ValueError(
                f"expected at most {_MOST_SHARDS:,} shards, got {rows} x {columns} of {self.shard} pixels; "
                f"choose larger shards ({SHARD})"
            )
        return self

    @property
    def maps(self) -> tuple[str, ...]:
        """Groups of the maps of the classes that are stored beside the labels."""
        return tuple(name for name in MAPS if getattr(self, name))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of shards."""
        return -(-self.shape[0] // self.shard), -(-self.shape[1] // self.shard)

    @property
    def levels(self) -> int:
        """Number of levels: halved until the longer side is at most 256, or shards get too small."""
        (rows, columns), side, count = self.shape, self.shard, 1
        while max(rows, columns) > _COARSEST and min(rows, columns) > 1 and side > _SMALLEST:
            rows, columns, side, count = rows // 2, columns // 2, side // 2, count + 1
        return count

    def shards(self) -> Iterator[Shard]:
        """All shards, row by row."""
        rows, columns = self.shape
        for top in range(0, rows, self.shard):
            for left in range(0, columns, self.shard):
                yield Shard(top, left, min(self.shard, rows - top), min(self.shard, columns - left))

    def place(self, top: int, left: int) -> tuple[int, int]:
        """Row and column of a shard in the grid.

        Raises
        ------
        InputError
            If there is no shard whose top left corner lies there.
        """
        side, (rows, columns) = self.shard, self.shape
        if top % side or left % side or not (0 <= top < rows and 0 <= left < columns):
            raise InputError(
                f"expected the top left corner of a shard (multiples of {side} inside of {rows} x "
                f"{columns}), got row {top}, column {left}; write the rectangles of left()"
            )
        return top // side, left // side
