"""A region of an image: rows and columns."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from napari_construct.exceptions import InputError

Region: TypeAlias = tuple[slice, slice]
"""Rows and columns, each from its first to the one after its last."""


def inside(path: Path, region: Region | None, height: int, width: int) -> Region:
    """The region as far as the image reaches; the whole image where none is asked for.

    Raises
    ------
    InputError
        If no pixel of the image lies in it.
    """
    if region is None:
        return slice(0, height), slice(0, width)
    if any(part.step not in (None, 1) for part in region):
        raise InputError(f"{path}: expected a region without gaps, got steps; leave them out")
    (top, bottom), (left, right) = (
        (part.start or 0, size if part.stop is None else min(part.stop, size))
        for part, size in zip(region, (height, width), strict=True)
    )
    if not (0 <= top < bottom and 0 <= left < right):
        raise InputError(
            f"{path}: expected a region inside the {height} x {width} pixels of the image, got rows {top} to "
            f"{region[0].stop} and columns {left} to {region[1].stop}; choose others"
        )
    return slice(top, bottom), slice(left, right)
