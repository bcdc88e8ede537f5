"""The files of one result: their names, and what each of them holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.masks import read_mask, read_masks
from napari_construct.data.region_set import RegionSet
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.ome_zarr import write_ome_zarr
from napari_construct.export.overlay import write_overlay
from napari_construct.export.tables import write_table
from napari_construct.export.tiff import write_cams, write_cells, write_mask, write_planes
from napari_construct.results.measures.rows import as_rows
from napari_construct.results.region_areas import region_table
from napari_construct.results.whole_result import write_whole
from napari_construct.types import RGBImage

if TYPE_CHECKING:
    from napari_construct.results.segmentation import Segmentation

_ENDINGS: Final = {
    "mask": "_mask.tif",
    "cams": "_cams.ome.tif",
    "overlay": "_overlay.png",
    "areas": "_areas.csv",
    "ood": "_ood.ome.tif",
    "cells": "_cells.tif",
    "table": "_cells.csv",
    "boundary": "_boundary.ome.tif",
    "zarr": ".ome.zarr",
    "record": ".json",
}

KINDS: Final = ("mask", "cams", "overlay")
"""Files of a result by default."""

OF_CLASSES: Final = ("mask", "cams", "overlay", "zarr", "areas", "ood")
"""Files that a result of classes may have."""

CELL_KINDS: Final = ("mask", "cams", "cells", "table")
"""Files of a result of cells by default."""

OOD: Final = ClassTable.from_names(("distance from the training patches",))
_BOUNDARY: Final = ClassTable.from_names(("boundary",), palette=("#D55E00",))

NEEDS_IMAGE: Final = frozenset({"overlay", "zarr"})
"""What shows the image too."""


def output_names(stem: str, kinds: Sequence[str]) -> dict[str, str]:
    """File names of one result; there is always a record."""
    return {kind: f"{stem}{ending}" for kind, ending in _ENDINGS.items() if kind in kinds or kind == "record"}


def result_paths(folder: Path, stem: str, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
    """Files of one result by kind, as :func:`write_result` writes them; ``stem`` may hold folders."""
    return {kind: folder / name for kind, name in output_names(stem, kinds).items()}


def write_result(
    folder: Path,
    stem: str,
    image: RGBImage | None,
    result: Segmentation,
    notices: tuple[str, ...] = (),
    kinds: Sequence[str] = KINDS,
    *,
    regions: RegionSet | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the files of one image under their usual names.

    Parameters
    ----------
    folder : Path
        Output folder; made if it is missing.
    stem : str
        Start of the file names.
    image : ndarray or None
        (h, w, 3) uint8; only "overlay" and "zarr" need it.
    result : Segmentation
        Its record is completed with areas, file names and the reader's notices.
    notices : tuple of str
        Of the reader of the image.
    kinds : sequence of str
        Of "mask", "cams", "overlay", "zarr", "areas", "ood", "cells", "table" and "boundary"; the record is
        always written.
    regions : RegionSet, optional
        In pixels of the image: rows of "areas", which the record gets, too.
    overwrite : bool
        Also replace files that napari-construct did not make.

    Returns
    -------
    dict of str to Path
        By kind.

    Raises
    ------
    ConfigurationError
        If a kind is unknown or not available for this result, or a file that napari-construct did not make
        would be replaced.
    ConstructError
        If the folder cannot be written.
    """
    unknown = sorted(set(kinds) - set(_ENDINGS))
    if unknown:
        raise ConfigurationError(
            f"expected kinds of files among mask, cams, overlay, zarr, areas, ood, cells, table and "
            f"boundary, got {', '.join(unknown)}; check the spelling"
        )
    paths = result_paths(folder, stem, kinds)
    write_files(paths, result, image, notices, regions=regions, overwrite=overwrite)
    return paths


def write_files(
    paths: Mapping[str, Path],
    result: Segmentation,
    image: RGBImage | None = None,
    notices: tuple[str, ...] = (),
    *,
    opacity: float = 0.5,
    regions: RegionSet | None = None,
    overwrite: bool = False,
) -> None:
    """Write files of one result where they are asked for, all in one folder.

    They replace an earlier result as a whole, see :func:`~napari_construct.results.whole_result.write_whole`.

    Parameters
    ----------
    paths : mapping of str to Path
        By kind; "record" must be among them.
    result, image, notices, regions, overwrite
        As of :func:`write_result`.
    opacity : float
        Of the mask in the overlay.
    """
    _check_content(paths, result, image)
    table = areas_of(result, regions) if regions is not None or "areas" in paths else None
    record = {
        **result.record,
        "input": {**result.record.get("input", {}), "mpp": result.mpp},
        "notices": [*notices, *result.record.get("notices", ())],
        "areas": result.measures(),
        "tissue_pixels": result.tissue_pixels,
        "colours": {tissue.name: tissue.colour for tissue in result.classes},
    }
    if table is not None and regions is not None:
        record["regions"] = as_rows(table)[len(result.classes) :]

    def write(made: Mapping[str, Path]) -> None:
        _write_labels(made, result)
        _write_maps(made, result)
        if table is not None and "areas" in made:
            write_table(made["areas"], table)
        if image is not None and "overlay" in made:
            write_overlay(made["overlay"], image, result.labels, result.classes, opacity)
        if image is not None and "zarr" in made:
            write_ome_zarr(made["zarr"], image, result.labels, result.classes, result.mpp)

    write_whole(paths, record, write, overwrite=overwrite)


def _write_labels(made: Mapping[str, Path], result: Segmentation) -> None:
    """The mask, numbered cells and their table, where they are asked for."""
    cells = result.instances
    if "mask" in made:
        _write_mask(made["mask"], result)
    if cells is not None and "cells" in made:
        write_cells(made["cells"], cells, result.mpp)
    if cells is not None and "table" in made:
        write_table(made["table"], result.cells())


def _write_maps(made: Mapping[str, Path], result: Segmentation) -> None:
    """CAMs, distances and boundary, where they are asked for."""
    distances, boundary = getattr(result, "distances", None), result.boundary
    if result.cams is not None and "cams" in made:
        write_cams(made["cams"], result.cams, result.classes, result.mpp)
    if distances is not None and "ood" in made:
        write_cams(made["ood"], distances.map()[None], OOD, result.mpp)
    if boundary is not None and "boundary" in made:
        write_cams(made["boundary"], boundary[None], _BOUNDARY, result.mpp)


def areas_of(result: Segmentation, regions: RegionSet | None = None) -> dict[str, NDArray[Any]]:
    """Columns of the table of a result, over all and in regions (in pixels of the image)."""
    background = getattr(result, "background", None)
    return region_table(
        result.labels,
        result.classes,
        () if regions is None else regions,
        mpp=result.mpp,
        tissue=None if background is None else ~background,
        confidence=getattr(result, "confidence", None),
        instances=result.instances,
    )


def _check_content(kinds: Collection[str], result: Segmentation, image: RGBImage | None) -> None:
    """Refuse kinds that hold what is not there."""
    shown = sorted(NEEDS_IMAGE & set(kinds))
    if shown and image is None:
        raise ConfigurationError(
            f"expected the image that was segmented for {' and '.join(shown)}, got none; give it as image="
        )
    if "ood" in kinds and getattr(result, "distances", None) is None:
        raise ConfigurationError(
            "expected a result with distances from the training patches, got one without; leave out "
            "the kind ood"
        )
    if "areas" in kinds and result.labels.ndim != 2:
        raise ConfigurationError(
            "expected a result of one plane for areas, got a stack; leave out the kind areas"
        )
    wanted = sorted({"cells", "table"} & set(kinds))
    if wanted and result.instances is None:
        raise ConfigurationError(
            f"expected a result with numbered cells for {' and '.join(wanted)}, got one of classes; leave "
            "out these kinds"
        )
    if "boundary" in kinds and result.boundary is None:
        raise ConfigurationError(
            "expected a result of cells with their boundary, got one without; leave out the kind boundary"
        )
    if "cams" in kinds and result.cams is None:
        raise ConfigurationError(
            "expected a result with CAMs, got one that was stored without them; leave out the kind cams"
        )


def _write_mask(path: Path, result: Segmentation) -> None:
    if result.labels.ndim == 2:
        write_mask(path, result.labels, result.classes, result.mpp)
    else:
        write_planes(path, iter(result.labels), result.labels.shape, result.classes, result.mpp)


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
    write_planes(path, read_masks(masks, shape), (len(masks), *shape), classes, mpp)
