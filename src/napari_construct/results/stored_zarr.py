"""An OME-Zarr with an image and its labels, opened level by level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.classes import ClassTable, hex_of
from napari_construct.data.limits import MAX_PIXELS, METADATA_ERRORS
from napari_construct.data.zarr_chunks import check_chunks
from napari_construct.data.zarr_levels import array_of_level, check_metadata
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.reading.foreign import passed_on
from napari_construct.results.described import record_beside
from napari_construct.types import ShortRepr

_TISSUE: Final = "labels/tissue"
_MOST_PIXELS: Final = 10 * MAX_PIXELS
"""Bound on labels: a byte each, and nothing is computed from them."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ZarrResult(ShortRepr):
    """An OME-Zarr with labels, opened and not read yet.

    Attributes
    ----------
    path : Path
        The folder.
    image, labels : tuple of zarr arrays
        Levels, the finest first: (3, h, w) uint8 and (h, w) uint8.
    classes : ClassTable
        Names and colours.
    mpp : float or None
        Micrometres per pixel of the finest level.
    record : mapping
        The JSON beside it; empty where there is none.
    notices : tuple of str
        As of :class:`~napari_construct.results.result.StoredResult`.
    """

    path: Path
    image: tuple[Any, ...]
    labels: tuple[Any, ...]
    classes: ClassTable
    mpp: float | None
    record: Mapping[str, Any]
    notices: tuple[str, ...] = ()

    def read_labels(self) -> Any:
        """The labels of the finest level.

        Raises
        ------
        InputError
            If they cannot be decoded.
        """
        try:
            return self.labels[0][:]
        except METADATA_ERRORS as error:
            raise _no_zarr(self.path, error) from error


def open_zarr(path: Path) -> ZarrResult:
    """Open an OME-Zarr of :func:`~napari_construct.export.ome_zarr.write_ome_zarr`.

    Raises
    ------
    InputError
        If it has no labels with classes.
    """
    import zarr

    try:
        for folder in (path, path / "labels", path / _TISSUE):
            check_metadata(folder)
        root: Any = zarr.open_group(path, mode="r")
        group = root[_TISSUE]
        (image,), (mask,) = root.attrs["ome"]["multiscales"], group.attrs["ome"]["multiscales"]
        about = group.attrs["ome"]["image-label"]
        names = [part["class"] for part in about["properties"]]
        colours = [hex_of(colour["rgba"]) for colour in about["colors"]]
        known = any(axis.get("unit") == "micrometer" for axis in image["axes"])
        levels = _levels(path, root, image)
        labels = _levels(path / _TISSUE, group, mask)
        _check_levels(levels, labels)
        for level in (*levels, *labels):  # ours or not, it may have been changed since
            check_chunks(path / level.path, level, MAX_PIXELS)
        record, notices = record_beside(path, "zarr")
        return ZarrResult(
            path=path,
            image=levels,
            labels=labels,
            classes=ClassTable.from_names(names, palette=colours),
            mpp=image["datasets"][0]["coordinateTransformations"][0]["scale"][-1] if known else None,
            record=record,
            notices=notices,
        )
    except (*METADATA_ERRORS, ConfigurationError) as error:
        raise _no_zarr(path, error) from error


def _levels(path: Path, group: Any, about: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(array_of_level(path, group, str(level["path"])) for level in about["datasets"])


def _check_levels(image: tuple[Any, ...], labels: tuple[Any, ...]) -> None:
    """Refuse other levels than those of an image (3, h, w) and of labels (h, w), both uint8."""
    for level, ndim in (*((level, 3) for level in image), *((level, 2) for level in labels)):
        if level.ndim != ndim or level.dtype != np.uint8 or (ndim == 3 and level.shape[0] != 3):
            raise ValueError(f"an array {level.shape} {level.dtype}")
    if not image or not labels or image[0].shape[1:] != labels[0].shape:
        raise ValueError("labels of another size than the image")
    if math.prod(labels[0].shape) > _MOST_PIXELS:
        raise ValueError(f"labels of shape {labels[0].shape}, which are more than {_MOST_PIXELS:,} pixels")


def _no_zarr(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: expected an OME-Zarr with the labels of a segmentation, got a damaged one or another "
        f"({type(error).__name__}: {passed_on(error)}); segment again"
    )
