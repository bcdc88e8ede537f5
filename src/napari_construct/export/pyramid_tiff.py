"""Labels of a whole slide as one pyramidal OME-TIFF, which QuPath, Bio-Formats and napari open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.tiff import described, palette
from napari_construct.reading.marks import SOFTWARE
from napari_construct.types import PathLike

TILE: Final = 512


def write_mask_pyramid(
    path: PathLike, levels: Sequence[Any], classes: ClassTable, mpp: tuple[float, float] | None = None
) -> None:
    """Write label images of one mask as a tiled OME-TIFF with a level in each SubIFD, tile by tile.

    Classes are named as in :func:`~.tiff.write_mask`: JSON in the description (here of the OME image), and a
    palette of their colours. Memory holds a few tiles.

    Parameters
    ----------
    path : str or path
        File to write, atomically; readers recognise it by the suffix ``.ome.tif``.
    levels : sequence of array-like
        (h, w) uint8 each, the finest first; anything that gives a part when sliced (zarr arrays).
    classes : ClassTable
        Names and colours; label ``i + 1`` is class ``i``.
    mpp : (float, float), optional
        Micrometres per pixel of the finest level along rows and columns.

    Raises
    ------
    InputError
        If levels are not (h, w) uint8.
    ConstructError
        If the file cannot be written.
    """
    for level in levels:
        if len(level.shape) != 2 or level.dtype != np.uint8 or 0 in level.shape:
            raise InputError(
                f"expected labels of shape (h, w) and type uint8, got {tuple(level.shape)} {level.dtype}"
            )
    square = None if mpp is None else float(np.sqrt(mpp[0] * mpp[1]))
    about = described("YX", classes, square)
    metadata: dict[str, Any] = {
        "axes": "YX",
        "Description": json.dumps(about, ensure_ascii=False),
        "Channel": {"Name": "tissue"},
    }
    if mpp is not None:
        for axis, size in zip("YX", mpp, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    options: dict[str, Any] = {
        "photometric": "palette",
        "colormap": palette(classes),
        "compression": "zlib",
        "tile": (TILE, TILE),
        "software": SOFTWARE,
        "dtype": np.uint8,
    }
    with atomic(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as file:
        for number, level in enumerate(levels):
            own = {"subifds": len(levels) - 1, "metadata": metadata} if number == 0 else {"subfiletype": 1}
            file.write(_tiles(level), shape=level.shape, **own, **options, **_resolution(mpp, number))


def _tiles(level: Any) -> Iterator[NDArray[np.uint8]]:
    """Tiles row by row; those of the last row and column are filled up with 0."""
    rows, columns = level.shape
    for top in range(0, rows, TILE):
        for left in range(0, columns, TILE):
            part = np.asarray(level[top : top + TILE, left : left + TILE])
            if part.shape != (TILE, TILE):
                part = np.pad(part, ((0, TILE - part.shape[0]), (0, TILE - part.shape[1])))
            yield np.ascontiguousarray(part)


def _resolution(mpp: tuple[float, float] | None, level: int) -> dict[str, Any]:
    if mpp is None:
        return {}
    per_cm = (1e4 / (mpp[1] * 2**level), 1e4 / (mpp[0] * 2**level))  # of columns, then of rows
    return {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
