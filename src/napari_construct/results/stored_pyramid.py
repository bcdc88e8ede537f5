"""A label pyramid, opened level by level; also one that is still being written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.data.limits import MAX_PIXELS, METADATA_ERRORS
from napari_construct.data.zarr_chunks import check_chunks
from napari_construct.data.zarr_levels import array_of_level, check_metadata
from napari_construct.exceptions import InputError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.pyramid_arrays import LABELS_GROUP
from napari_construct.export.pyramid_plan import MAPS
from napari_construct.reading.foreign import passed_on
from napari_construct.results.described import record_beside
from napari_construct.types import LabelImage, ShortRepr

_MOST_PIXELS: Final = 2**38
"""Bound on labels that are read in parts: 524,288 x 524,288."""
_MOST_AT_ONCE: Final = 10 * MAX_PIXELS
"""Bound on labels that are read as a whole: a byte each."""
_LARGEST_SHARD: Final = 2**32
"""Bytes of a shard's pixels; chunks are read from it one by one."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StoredPyramid(ShortRepr):
    """A label pyramid, opened and not read yet.

    Attributes
    ----------
    path : Path
        The folder.
    labels : tuple of zarr arrays
        Levels, the finest first: (h, w) uint8.
    probabilities, cams : tuple of zarr arrays
        The same of (k, h, w) uint8, 255 for certain; empty where they were not stored.
    classes : ClassTable
        Names and colours.
    pixel : (float, float) or None
        Micrometres per pixel of the finest level along rows and columns.
    offset : (float, float)
        Centre of its first pixel from that of the image's first pixel: micrometres, or pixels of the image
        where ``pixel`` is None.
    downsample : float
        Pixels of the image along the side of one of the finest level.
    written, shards : int
        How many shards are written, of how many.
    record : mapping
        The JSON beside it; empty where there is none.
    notices : tuple of str
        As of :class:`~napari_construct.results.result.StoredResult`.
    """

    path: Path
    labels: tuple[Any, ...]
    probabilities: tuple[Any, ...]
    cams: tuple[Any, ...]
    classes: ClassTable
    pixel: tuple[float, float] | None
    offset: tuple[float, float]
    downsample: float
    written: int
    shards: int
    record: Mapping[str, Any]
    notices: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all shards are written."""
        return self.written == self.shards

    @property
    def mpp(self) -> float | None:
        """Side of a square of the same area as a pixel, in micrometres."""
        return None if self.pixel is None else math.sqrt(math.prod(self.pixel))

    def check_complete(self) -> None:
        """Refuse labels of which shards are missing.

        Raises
        ------
        InputError
            If there are such shards.
        """
        if not self.complete:
            raise InputError(
                f"{self.path}: expected finished labels, got {_so_far(self.written, self.shards)}"
            )

    def read_labels(self) -> LabelImage:
        """The labels of the finest level, as a whole.

        Raises
        ------
        InputError
            If shards are missing, they are too many for the memory, or cannot be decoded.
        """
        self.check_complete()
        rows, columns = self.labels[0].shape
        if rows * columns > _MOST_AT_ONCE:
            raise InputError(
                f"{self.path}: expected at most {_MOST_AT_ONCE:,} pixels to read at once, got {rows} x "
                f"{columns}; read a part, or a coarser level (zarr: labels/tissue/1)"
            )
        try:
            found: LabelImage = self.labels[0][:]
        except METADATA_ERRORS as error:
            raise _damaged(self.path, error) from error
        return found


def open_pyramid(path: Path) -> StoredPyramid:
    """Open a label pyramid of :class:`~napari_construct.export.label_pyramid.LabelPyramid`.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    import zarr

    try:
        for folder in (path, *(path / place for place in ("labels", LABELS_GROUP, *MAPS))):
            check_metadata(folder)
        pyramid = LabelPyramid.open(path)
        plan = pyramid.plan
        root: Any = zarr.open_group(path, mode="r")
        if math.prod(plan.shape) > _MOST_PIXELS:
            raise ValueError(f"labels of shape {plan.shape}, which are more than {_MOST_PIXELS:,} pixels")
        labels = _levels(pyramid, root, LABELS_GROUP, ())
        k = len(plan.classes)
        maps = {kind: _levels(pyramid, root, kind, (k,)) if kind in plan.maps else () for kind in MAPS}
        record, notices = record_beside(path, "zarr")
    except METADATA_ERRORS as error:
        raise error if isinstance(error, InputError) else _damaged(path, error) from error
    total = math.prod(plan.grid)
    written = total - len(pyramid.left())
    if written < total:
        notices += (f"{path.name}: {_so_far(written, total)}",)
    rows, columns = plan.mpp or (1.0, 1.0)
    shift = (plan.downsample - 1) / 2
    return StoredPyramid(
        path=path,
        labels=labels,
        **maps,
        classes=plan.classes,
        pixel=None if plan.mpp is None else (rows * plan.downsample, columns * plan.downsample),
        offset=(shift * rows, shift * columns),
        downsample=plan.downsample,
        written=written,
        shards=total,
        record=record,
        notices=notices,
    )


def _levels(pyramid: LabelPyramid, root: Any, place: str, before: tuple[int, ...]) -> tuple[Any, ...]:
    """The levels of a group, of the shapes that the plan gives them."""
    plan, found = pyramid.plan, []
    for level in range(plan.levels):
        array = array_of_level(pyramid.path, root, f"{place}/{level}")
        wanted = (*before, *(side >> level for side in plan.shape))
        if array.shape != wanted or array.dtype != np.uint8:
            raise ValueError(f"an array {array.shape} {array.dtype}, expected {wanted} uint8")
        check_chunks(pyramid.path / place / str(level), array, MAX_PIXELS, _LARGEST_SHARD)
        found.append(array)
    return tuple(found)


def _so_far(written: int, shards: int) -> str:
    return (
        f"{written} of {shards} parts, the rest is empty: a run is writing them, or was stopped; run it "
        "again to go on"
    )


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: expected a label pyramid, got a damaged one ({type(error).__name__}: {passed_on(error)}); "
        "segment again"
    )
