"""The files of one result: all appear together, or none does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConstructError
from napari_construct.export.atomic import atomic
from napari_construct.export.ome_zarr import write_ome_zarr
from napari_construct.export.overlay import write_overlay
from napari_construct.export.own_files import RECORD_FORMAT, SOFTWARE, move_over, refuse_others
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_cams, write_mask
from napari_construct.results.result import SegmentationResult
from napari_construct.types import RGBImage

_ENDINGS: Final = {
    "mask": "_mask.tif",
    "cams": "_cams.ome.tif",
    "overlay": "_overlay.png",
    "zarr": ".ome.zarr",
    "record": ".json",
}

KINDS: Final = ("mask", "cams", "overlay")
"""What is written of an image where nothing else is asked for."""


def output_names(stem: str, kinds: Sequence[str]) -> dict[str, str]:
    """File names of one result; there is always a record."""
    return {kind: f"{stem}{ending}" for kind, ending in _ENDINGS.items() if kind in kinds or kind == "record"}


def result_paths(folder: Path, stem: str, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
    """Files of one result by kind, as :func:`write_result` writes them; ``stem`` may hold folders."""
    return {kind: folder / name for kind, name in output_names(stem, kinds).items()}


def write_result(
    folder: Path,
    stem: str,
    image: RGBImage,
    result: SegmentationResult,
    notices: tuple[str, ...] = (),
    kinds: Sequence[str] = KINDS,
    *,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the files of one image.

    They are made in a hidden folder beside the targets and moved when the last one is complete. Earlier
    results are replaced; a file that we did not make is an error.

    Parameters
    ----------
    folder : Path
        Output folder; made if it is missing.
    stem : str
        Start of the file names.
    image : ndarray
        (h, w, 3) uint8.
    result : SegmentationResult
        Its record is completed with areas, file names and the reader's notices.
    notices : tuple of str
        Of the reader of the image.
    kinds : sequence of str
        Of "mask", "cams", "overlay" and "zarr"; the record is always written.
    overwrite : bool
        Replace files of others too.

    Returns
    -------
    dict of str to Path
        By kind.

    Raises
    ------
    ConfigurationError
        If a file of others would be replaced.
    ConstructError
        If the folder cannot be written.
    """
    names = output_names(stem, kinds)
    paths = result_paths(folder, stem, kinds)
    refuse_others(paths.values(), overwrite=overwrite)
    record = {
        "format": RECORD_FORMAT,
        **result.record,
        "notices": [*notices, *result.record.get("notices", ())],
        "areas": result.measures(),
        "colours": {tissue.name: tissue.colour for tissue in result.classes},
        "files": names,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".napari-construct-", dir=folder))
        try:
            if "mask" in names:
                write_mask(hidden / names["mask"], result.labels, result.classes, result.mpp)
            if "cams" in names:
                write_cams(hidden / names["cams"], result.cams, result.classes, result.mpp)
            if "overlay" in names:
                write_overlay(hidden / names["overlay"], image, result.labels, result.classes)
            if "zarr" in names:
                write_ome_zarr(hidden / names["zarr"], image, result.labels, result.classes, result.mpp)
            write_record(hidden / names["record"], record)
            for name in names.values():
                move_over(hidden / name, folder / name)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise ConstructError(
            f"{folder}: cannot be written to ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error
    return paths


def write_stack(path: Path, masks: Sequence[Path | None], classes: ClassTable, mpp: float | None) -> None:
    """Join the masks of a stack's planes into one TIFF of axes plane, rows, columns; atomically.

    Parameters
    ----------
    path : Path
        File to write.
    masks : sequence of Path or None
        TIFF masks of one size in the order of the planes; a missing one gives an empty plane.
    classes : ClassTable
        Names go into the description.
    mpp : float or None
        Micrometres per pixel.
    """
    shape = read_mask(next(mask for mask in masks if mask is not None)).shape

    def planes() -> Iterator[NDArray[np.uint8]]:
        for mask in masks:
            yield np.zeros(shape, np.uint8) if mask is None else read_mask(mask)

    metadata = {"axes": "ZYX", "classes": {str(i + 1): n for i, n in enumerate(classes.names)}, "mpp": mpp}
    resolution: dict[str, Any] = {}
    if mpp is not None:
        resolution = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            planes(),
            shape=(len(masks), *shape),
            dtype=np.uint8,
            photometric="minisblack",
            compression="zlib",
            metadata=metadata,
            software=SOFTWARE,
            **resolution,
        )
