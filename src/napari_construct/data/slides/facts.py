"""What a reader of slides finds in a file before it decodes a pixel, and what it offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from napari_construct.exceptions import InputError
from napari_construct.types import RGBImage

_WHOLE: Final = 1.0
"""Pixels of a level by which its sides may differ from those of level 0 over a whole number."""

_TOLERANCE: Final = 0.02
"""Relative difference by which the factors of rows and columns may differ where they are not whole."""

_LARGEST_SIDE: Final = 2**31 - 1


class SlideLevel(NamedTuple):
    """A level of a pyramid: rows and columns, and how many pixels of level 0 lie along one of its own."""

    shape: tuple[int, int]
    downsample: float


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """What a file states of its slide.

    Attributes
    ----------
    format : str
        The scanner's or the file's format: ``aperio``, ``hamamatsu``, ``tiff``, ``ome-zarr`` ...
    levels : tuple of SlideLevel
        From the finest to the coarsest.
    mpp : tuple of float or None
        Micrometres per pixel of level 0: height and width of a pixel. None where the file does not say.
    notices : tuple of str
        Conversions, assumptions and contradictions, one sentence each.
    associated : tuple of str
        Names of the images beside the scan: label, macro, thumbnail ...
    image : int
        Which image of the file it is, from 1.
    """

    format: str
    levels: tuple[SlideLevel, ...]
    mpp: tuple[float, float] | None = None
    notices: tuple[str, ...] = ()
    associated: tuple[str, ...] = ()
    image: int = 1


@runtime_checkable
class SlideReader(Protocol):
    """An open file of one format. Threads may share it; processes may not."""

    @property
    def facts(self) -> SlideFacts:
        """What the file states."""
        ...

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
        """Pixels of a level; the part lies inside of it. What has no data is white."""
        ...

    def associated_image(self, name: str) -> RGBImage:
        """The image beside the scan of one of the names in ``facts``."""
        ...

    def close(self) -> None:
        """Close the file; to do so twice is no error."""
        ...


def downsample_of(whole: tuple[int, int], shape: tuple[int, int]) -> float | None:
    """How many pixels of level 0 (``whole``) one of a level of this shape covers along a side.

    A whole number where the level's sides are those of level 0 over it, rounded up or down; the mean of rows
    and columns otherwise. None where both differ, so that the level shows another picture.
    """
    down, across = whole[0] / shape[0], whole[1] / shape[1]
    factor = round((down + across) / 2)
    if factor >= 1 and all(
        abs(full / factor - side) < _WHOLE for full, side in zip(whole, shape, strict=True)
    ):
        return float(factor)
    slack = max(_TOLERANCE, 1 / min(shape))
    return (down + across) / 2 if abs(down / across - 1) <= slack else None


def levels_of(short: str, shapes: Sequence[tuple[int, int]]) -> tuple[list[int], list[SlideLevel], list[str]]:
    """Which of some shapes are levels of the first, the levels, and notices of those that are not.

    Parameters
    ----------
    short : str
        What errors and notices call the file.
    shapes : sequence of tuple
        Rows and columns; the first are those of level 0.

    Raises
    ------
    InputError
        If level 0 has no pixels, or absurdly many.
    """
    if not all(1 <= side <= _LARGEST_SIDE for side in shapes[0]):
        raise InputError(
            f"{short}: expected sides of 1 to {_LARGEST_SIDE:,} pixels, got {shapes[0][0]:,} x "
            f"{shapes[0][1]:,}; the file is damaged, get it again"
        )
    found: dict[tuple[int, int], tuple[int, float]] = {}
    notices = []
    for index, shape in enumerate(shapes):
        factor = downsample_of(shapes[0], shape) if min(shape) >= 1 else None
        if factor is None or (index and factor <= 1):
            notices.append(
                f"{short}: an image of {shape[0]} x {shape[1]} pixels is no smaller copy of the slide's "
                f"{shapes[0][0]} x {shapes[0][1]}; it is not used as a level"
            )
        else:
            found.setdefault(shape, (index, factor))
    ordered = sorted(found.items(), key=lambda one: one[1][1])
    return [i for _, (i, _) in ordered], [SlideLevel(s, f) for s, (_, f) in ordered], notices


def no_such_name(path: Any, name: str, names: Sequence[str]) -> InputError:
    """The error for an image beside the scan that is not there."""
    return InputError(
        f"{path}: expected one of the images beside the scan ({', '.join(names) or 'there are none'}), got "
        f"{name!r}; choose one of these"
    )
