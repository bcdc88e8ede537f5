"""Images of cells that lie in memory, such as the layers of a viewer; a few large ones are cut into parts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.cells.truth import instances_of
from napari_construct.data.channels.arrays import KnownLimits, PlaneLimits, as_channels
from napari_construct.data.channels.assemble import join_channels
from napari_construct.data.limits import MAX_PIXELS
from napari_construct.exceptions import DatasetError
from napari_construct.reading.names import named
from napari_construct.types import ShortRepr

PARTS: Final = 8
"""Fewer images than these are cut into parts, so that some can be held out."""

LARGEST_PART: Final = 512
"""Side of a part in pixels, at most, where images are cut."""

_LEAST_PART: Final = 64

Place = tuple[tuple[int, ...], slice, slice]
"""Indices of a plane, and the rows and columns of a part of it."""


_CUT: Final = ("limits of the whole",)
"""Part of the fingerprint of images that are cut: before, each part was normalised by itself."""


@dataclass(frozen=True, repr=False)
class ArrayCells(ShortRepr):
    """Planes of arrays, or parts of them; a :class:`~.dataset.CellDataset`.

    Attributes
    ----------
    names, groups, channels, has_truth, notices
        As of the protocol.
    arrays : tuple of array
        One per channel, all of one shape (..., h, w); numpy, dask or zarr.
    truth : array or None
        (..., h, w) numbers of cells.
    places : tuple of Place
        Where each image lies in the arrays.
    mpp : float or None
        Micrometres per pixel.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    channels: tuple[str, ...]
    has_truth: tuple[bool, ...]
    notices: tuple[str, ...]
    arrays: tuple[Any, ...]
    truth: Any
    places: tuple[Place, ...]
    mpp: float | None = None

    def __len__(self) -> int:
        return len(self.places)

    def load(self, index: int) -> CellItem:
        """One image, and its truth.

        Raises
        ------
        InputError
            If values are no brightness, or no numbers of cells.
        """
        name = self.names[index]
        parts = [as_channels(self.part(array, index), name=name, mpp=self.mpp) for array in self.arrays]
        image = join_channels(parts, self.channels)
        if self.is_part(index):
            plane = self.places[index][0]
            found = tuple(PlaneLimits(array, plane, self._limits) for array in self.arrays)
            image = replace(image, limits=found)
        if self.truth is None:
            return CellItem(image)
        return CellItem(image, instances_of(self.part(self.truth, index), name).instances)

    def part(self, array: Any, index: int) -> NDArray[Any]:
        """(h, w) of an array of the same shape (..., h, w): what belongs to one image."""
        plane, rows, columns = self.places[index]
        return np.asarray(array[(*plane, rows, columns)])

    def is_part(self, index: int) -> bool:
        """Whether an image is a part of its plane."""
        _, *window = self.places[index]
        return tuple(window) != _whole(np.shape(self.arrays[0])[-2:])

    @cached_property
    def _limits(self) -> KnownLimits:
        """Limits that were found, so that each plane is read once for them."""
        return {}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, channels, resolution and values."""
        cut = _CUT if any(self.is_part(i) for i in range(len(self))) else ()
        head = "\0".join((*self.channels, *self.names, repr(self.mpp), *cut))
        found = hashlib.sha256(head.encode("utf-8", "surrogateescape"))
        for index in range(len(self)):
            for array in (*self.arrays, *(() if self.truth is None else (self.truth,))):
                part = np.ascontiguousarray(self.part(array, index))
                found.update(f"\n{part.dtype}{part.shape}".encode())
                found.update(part.data)
        return found.hexdigest()


def array_cells(
    channels: Mapping[str, Any],
    truth: Any = None,
    *,
    name: str = "image",
    mpp: float | None = None,
    parts: int = PARTS,
) -> ArrayCells:
    """A dataset of arrays.

    Of fewer than ``parts`` planes each is cut into a grid of parts of about equal size, at most 512 pixels a
    side, so that there are at least as many: some can then be held out for scores. Cells on a cut are parts
    of cells. A part carries the limits of its plane (``ChannelImage.limits``), so that a network sees in it
    what it sees there in the whole. Nothing is copied before an image is loaded.

    Parameters
    ----------
    channels : mapping of str to array-like
        Name and array of each channel: (h, w), or (..., h, w) for several planes, each of which is an image.
    truth : array-like, optional
        Of their shape: numbers of cells, 0 is background; or a mask whose connected parts are cells.
    name : str
        Of the whole, from which images are named.
    mpp : float, optional
        Micrometres per pixel.
    parts : int
        Number of images that there should be; 0 cuts nothing.

    Raises
    ------
    DatasetError
        If there are no channels, their shapes differ, or a plane is too large.
    """
    arrays = tuple(channels.values())
    shape = _common_shape({**channels, **({} if truth is None else {"the drawn cells": truth})}, name)
    planes = list(np.ndindex(*shape[:-2]))
    grid = _cuts(shape[-2:], len(planes), parts) if len(planes) < parts else [_whole(shape[-2:])]
    places = tuple((tuple(plane), rows, columns) for plane in planes for rows, columns in grid)
    whole = len(grid) == 1
    names = tuple(_name(name, place, several=len(planes) > 1, whole=whole) for place in places)
    notices = () if whole else (_cut_notice(len(planes), len(places)),)
    known = truth is not None
    return ArrayCells(
        names, names, tuple(channels), (known,) * len(places), notices, arrays, truth, places, mpp
    )


def part_cells(
    channels: Mapping[str, Any], place: Place, *, name: str = "image", mpp: float | None = None
) -> ArrayCells:
    """A dataset of one image, a part of arrays; arguments and errors as of :func:`array_cells`.

    Parameters
    ----------
    place : Place
        Where the part lies.
    """
    _common_shape(channels, name)
    arrays = tuple(channels.values())
    return ArrayCells((name,), (name,), tuple(channels), (False,), (), arrays, None, (place,), mpp)


def _common_shape(arrays: Mapping[str, Any], name: str) -> tuple[int, ...]:
    shapes = {key: tuple(int(n) for n in np.shape(array)) for key, array in arrays.items()}
    if not shapes:
        raise DatasetError(f"{name}: expected at least one channel, got none; choose an image")
    first = next(iter(shapes.values()))
    other = [key for key, shape in shapes.items() if shape != first]
    if other:
        raise DatasetError(
            f"{named(other)}: expected the shape of {next(iter(shapes))} {first}, got {shapes[other[0]]}; "
            "choose images of one place"
        )
    if len(first) < 2 or math.prod(first) == 0:
        raise DatasetError(f"{name}: expected images of rows and columns, got shape {first}; choose an image")
    if math.prod(first[-2:]) > MAX_PIXELS:
        raise DatasetError(
            f"{name}: expected at most {MAX_PIXELS:,} pixels a plane, got {math.prod(first[-2:]):,}; crop it"
        )
    return first


def _whole(size: Sequence[int]) -> tuple[slice, slice]:
    return slice(0, size[0]), slice(0, size[1])


def _cuts(size: Sequence[int], planes: int, parts: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the parts of a plane."""
    side = min(LARGEST_PART, math.sqrt(math.prod(size) * planes / parts))
    edges = []
    for n in size:
        count = max(1, min(math.ceil(n / side), n // _LEAST_PART))
        ends = np.linspace(0, n, count + 1).round().astype(int).tolist()
        edges.append([slice(a, b) for a, b in pairwise(ends)])
    return [(rows, columns) for rows in edges[0] for columns in edges[1]]


def _name(name: str, place: Place, *, several: bool, whole: bool) -> str:
    plane, rows, columns = place
    number = f" {','.join(map(str, plane))}" if several else ""
    return f"{name}{number}" if whole else f"{name}{number} [{rows.start}, {columns.start}]"


def _cut_notice(planes: int, parts: int) -> str:
    images = "the image is" if planes == 1 else f"{planes} images are"
    return (
        f"{images} cut into {parts} parts; scores are those of other parts of the same images, not of other "
        "samples"
    )
