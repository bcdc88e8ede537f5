"""An image with its labels as OME-Zarr 0.5: pyramids that napari, QuPath and web viewers read in parts.

The folder holds the image (c, y, x) as a multiscale group and, under ``labels/tissue``, the mask with the
classes' names and colours. Specification: ngff.openmicroscopy.org/0.5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.export.atomic import unwritable
from napari_construct.export.locks import hidden_folder
from napari_construct.export.ome_metadata import CREATOR, LABELS, VERSION, display, image_label, multiscales
from napari_construct.export.own_files import move_over, refuse_others
from napari_construct.export.tiff import check_labels
from napari_construct.reading.names import shown
from napari_construct.types import PathLike

_CHUNK: Final = 512
_COARSEST: Final = 256
_COLOURS: Final = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}


def write_ome_zarr(
    path: PathLike,
    image: NDArray[Any],
    labels: NDArray[Any],
    classes: ClassTable,
    mpp: float | None = None,
) -> None:
    """Write an image and its mask as one OME-Zarr folder, complete or not at all.

    Levels are halved until the longer side is at most 256 pixels: the image by means of 2 x 2, the labels by
    taking one pixel of each 2 x 2, so that no level holds a class that is not there.

    Parameters
    ----------
    path : str or path
        Folder to write, usually ``NAME.ome.zarr``; one that napari-construct made is replaced.
    image : ndarray
        (h, w, 3) uint8 RGB.
    labels : ndarray
        (h, w) uint8; 0 is unlabelled, ``i + 1`` is class ``i``.
    classes : ClassTable
        Names and colours.
    mpp : float, optional
        Micrometres per pixel.

    Raises
    ------
    InputError
        If the arrays do not fit each other.
    ConfigurationError
        If there is a file or folder that napari-construct did not make.
    ConstructError
        If the folder cannot be written.
    """
    check_labels(labels, classes, image)
    path = Path(path)
    refuse_others([path])
    try:
        with hidden_folder(path.parent) as hidden:
            made = hidden / path.name
            root: Any = zarr.open_group(made, mode="w", zarr_format=3)
            levels = _write_levels(
                root, np.moveaxis(image, 2, 0), "cyx", shown(path.name), mpp, averaged=True
            )
            root.attrs["ome"] = {**levels, "omero": display(_COLOURS), **CREATOR}
            group = root.create_group("labels")
            group.attrs["ome"] = {"version": VERSION, "labels": [LABELS]}
            mask = group.create_group(LABELS)
            levels = _write_levels(mask, labels, "yx", LABELS, mpp, averaged=False)
            mask.attrs["ome"] = {**levels, "image-label": image_label(classes)}
            move_over(made, path)
    except OSError as error:
        raise unwritable(path, error) from error


def _write_levels(
    group: Any, array: NDArray[Any], axes: str, name: str, mpp: float | None, *, averaged: bool
) -> dict[str, Any]:
    """Write the arrays; what the group's attributes must say of them."""
    factors: list[float] = []
    while True:
        level = str(len(factors))
        chunks = tuple(min(_CHUNK, n) if a in "yx" else 1 for a, n in zip(axes, array.shape, strict=True))
        stored = group.create_array(
            level, shape=array.shape, dtype=array.dtype, chunks=chunks, dimension_names=list(axes)
        )
        stored[:] = array
        factors.append(2.0 ** len(factors))
        if max(array.shape[-2:]) <= _COARSEST or min(array.shape[-2:]) < 2:
            return multiscales(name, axes, factors, None if mpp is None else (mpp, mpp))
        array = halved(array, averaged=averaged)


def halved(array: NDArray[Any], *, averaged: bool) -> NDArray[Any]:
    """The next level of (..., h, w) uint8: (..., h // 2, w // 2), means of 2 x 2 pixels or one of them."""
    rows, columns = array.shape[-2] // 2 * 2, array.shape[-1] // 2 * 2
    if not averaged:
        return array[..., :rows:2, :columns:2]
    parts = [array[..., y:rows:2, x:columns:2].astype(np.uint16) for y in (0, 1) for x in (0, 1)]
    mean: NDArray[Any] = ((parts[0] + parts[1] + parts[2] + parts[3] + 2) // 4).astype(array.dtype)
    return mean
