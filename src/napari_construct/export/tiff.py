"""Masks as palette TIFF and class activation maps as OME-TIFF, with the pixel size inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.atomic import atomic
from napari_construct.reading.marks import SOFTWARE
from napari_construct.types import PathLike

_TILE: Final = 512
_PLANES: Final = "ZYX"
"""Axes of a stack."""


def write_mask(path: PathLike, labels: NDArray[Any], classes: ClassTable, mpp: float | None = None) -> None:
    """Write a label image as a compressed uint8 TIFF that is drawn in the classes' colours.

    Parameters
    ----------
    path : str or path
        File to write, atomically.
    labels : ndarray
        (h, w) uint8; 0 is unlabelled, ``i + 1`` is class ``i``.
    classes : ClassTable
        Their names go into the description as JSON, their colours into the palette.
    mpp : float, optional
        Micrometres per pixel.

    Raises
    ------
    InputError
        If labels are not (h, w) uint8 or exceed the class table.
    ConstructError
        If the file cannot be written.
    """
    check_labels(labels, classes)
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels,
            photometric="palette",
            colormap=palette(classes),
            compression="zlib",
            metadata=described("YX", classes, mpp),
            software=SOFTWARE,
            **_layout(labels.shape[0], labels.shape[1], mpp),
        )


def write_cams(path: PathLike, cams: NDArray[Any], classes: ClassTable, mpp: float | None = None) -> None:
    """Write one float32 channel per class as OME-TIFF, with channel names, colours and pixel size.

    Parameters
    ----------
    path : str or path
        File to write, atomically; readers recognise it by the suffix ``.ome.tif``.
    cams : ndarray
        (k, h, w) float32, usually probabilities in [0, 1].
    classes : ClassTable
        The k classes.
    mpp : float, optional
        Micrometres per pixel.

    Raises
    ------
    InputError
        If the array is not (k, h, w) float32 with one map per class.
    ConstructError
        If the file cannot be written.
    """
    if cams.ndim != 3 or cams.dtype != np.float32 or cams.shape[0] != len(classes) or 0 in cams.shape:
        raise InputError(
            f"expected maps of shape ({len(classes)}, h, w) and type float32, one per class, got "
            f"{cams.shape} {cams.dtype}; give the maps of this class table"
        )
    metadata: dict[str, Any] = {
        "axes": "CYX",
        "Channel": {"Name": list(classes.names), "Color": [_ome_colour(tissue.rgb) for tissue in classes]},
    }
    if mpp is not None:
        metadata |= {
            "PhysicalSizeX": mpp,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": mpp,
            "PhysicalSizeYUnit": "µm",
        }
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            cams,
            ome=True,
            photometric="minisblack",
            compression="zlib",  # no floating-point predictor: Bio-Formats does not undo it
            metadata=metadata,
            software=SOFTWARE,
            **_layout(cams.shape[1], cams.shape[2], mpp),
        )


def write_cells(path: PathLike, cells: NDArray[Any], mpp: float | None = None) -> None:
    """Write numbers of cells as a compressed TIFF: uint16, or uint32 where there are more cells.

    Parameters
    ----------
    path : str or path
        File to write, atomically.
    cells : ndarray
        (h, w), or (planes, h, w) of a stack, integers >= 0; 0 is background.
    mpp : float, optional
        Micrometres per pixel.

    Raises
    ------
    InputError
        If the array is no such image.
    ConstructError
        If the file cannot be written.
    """
    if cells.ndim not in (2, 3) or cells.dtype.kind not in "iu" or 0 in cells.shape or int(cells.min()) < 0:
        raise InputError(
            f"expected numbers of cells of shape (h, w), 0 and above, got {cells.shape} {cells.dtype}; give "
            "the instances of a result"
        )
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            cells.astype(_type_of_cells(int(cells.max()))),
            photometric="minisblack",
            compression="zlib",
            metadata={"axes": _PLANES[-cells.ndim :], "cells": int(cells.max()), "mpp": mpp},
            software=SOFTWARE,
            **_layout(cells.shape[-2], cells.shape[-1], mpp),
        )


def write_cell_planes(
    path: PathLike,
    planes: Iterator[NDArray[Any]],
    shape: tuple[int, int, int],
    highest: int,
    mpp: float | None,
) -> None:
    """Write the numbers of cells of a stack, one plane after another, as :func:`write_cells` does.

    Parameters
    ----------
    path : str or path
        File to write, atomically.
    planes : iterator of ndarray
        (h, w) integers from 0 to ``highest`` each.
    shape : tuple of int
        (planes, h, w).
    highest : int
        The highest number.
    mpp : float or None
        Micrometres per pixel.
    """
    kind = _type_of_cells(highest)
    described = {"axes": _PLANES, "cells": highest, "mpp": mpp}
    _write_stack(path, (plane.astype(kind) for plane in planes), shape, kind, described, mpp)


def _type_of_cells(highest: int) -> type[np.uint16 | np.uint32]:
    return np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32


def check_labels(labels: NDArray[Any], classes: ClassTable, image: NDArray[Any] | None = None) -> None:
    """Refuse an array that is no label image of these classes, or not of this image.

    Raises
    ------
    InputError
        With what was expected.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8 or 0 in labels.shape:
        raise InputError(f"expected labels of shape (h, w) and type uint8, got {labels.shape} {labels.dtype}")
    highest = int(labels.max())
    if highest > len(classes):
        raise InputError(
            f"expected labels from 0 to {len(classes)} ({', '.join(classes.names)}), got {highest}; "
            "give the class table the labels were made with"
        )
    if image is not None and (image.dtype != np.uint8 or image.shape != (*labels.shape, 3)):
        raise InputError(
            f"expected an image of shape {(*labels.shape, 3)} and type uint8 to go with the labels, "
            f"got {image.shape} {image.dtype}; give the image the labels were made from"
        )


def write_planes(
    path: PathLike,
    planes: Iterator[NDArray[np.uint8]],
    shape: tuple[int, ...],
    classes: ClassTable,
    mpp: float | None,
) -> None:
    """Write the label images of a stack, one after another, as one TIFF of axes plane, rows, columns.

    Parameters
    ----------
    path : str or path
        File to write, atomically.
    planes : iterator of ndarray
        (h, w) uint8 each.
    shape : tuple of int
        (planes, h, w).
    classes : ClassTable
        Their names go into the description.
    mpp : float or None
        Micrometres per pixel.
    """
    _write_stack(path, planes, shape, np.uint8, described(_PLANES, classes, mpp), mpp)


def _write_stack(
    path: PathLike,
    planes: Iterator[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: type[np.unsignedinteger[Any]],
    described: dict[str, Any],
    mpp: float | None,
) -> None:
    """Write planes one after another, so that one of them is in memory."""
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            planes,
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            metadata=described,
            software=SOFTWARE,
            **_resolution(mpp),
        )


def palette(classes: ClassTable) -> NDArray[np.uint16]:
    """(3, 256) colours of the values of a mask; 0 is black."""
    colours = np.zeros((3, 256), dtype=np.uint16)
    for i, tissue in enumerate(classes):
        colours[:, i + 1] = np.array(tissue.rgb) * 257
    return colours


def described(axes: str, classes: ClassTable, mpp: float | None) -> dict[str, Any]:
    """What the description of a mask says, as JSON."""
    return {"axes": axes, "classes": {str(i): n for i, n in enumerate(classes.names, start=1)}, "mpp": mpp}


def _layout(height: int, width: int, mpp: float | None) -> dict[str, Any]:
    """Tiles for what viewers read in parts, strips for small images, and the resolution tags."""
    layout: dict[str, Any] = {}
    if max(height, width) > 2 * _TILE:
        layout["tile"] = (_TILE, _TILE)
    return layout | _resolution(mpp)


def _resolution(mpp: float | None) -> dict[str, Any]:
    """The resolution tags."""
    if mpp is None:
        return {}
    return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}


def _ome_colour(rgb: tuple[int, int, int]) -> int:
    # OME keeps RGBA in one signed 32-bit integer
    red, green, blue = rgb
    value = red << 24 | green << 16 | blue << 8 | 255
    return value - 2**32 if value >= 2**31 else value
