"""A stored result measured by regions, without segmenting again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_construct.annotations import Feature, Place
from napari_construct.data.region_set import RegionSet
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import files_of, is_pyramid
from napari_construct.results.measures.table import pyramid_table
from napari_construct.results.read import load_result
from napari_construct.results.region_areas import region_table
from napari_construct.results.result import StoredResult
from napari_construct.results.stored_pyramid import StoredPyramid, open_pyramid
from napari_construct.types import PathLike


def measure_result(
    result: PathLike, regions: PathLike | Iterable[Feature] | None = None, *, origin: Place = (0, 0)
) -> dict[str, NDArray[Any]]:
    """Areas, shares, connected parts and confidence of a stored result, over all and in each region.

    Parameters
    ----------
    result : path
        Of an image or slide: its folder, record, mask or OME-Zarr. A slide is read part by part.
    regions : path or iterable of Feature, optional
        Annotations as GeoJSON, or in pixels of the image.
    origin : (row, column), optional
        Of the image, which a file calls (0, 0).

    Returns
    -------
    dict of str to ndarray
        Columns as of :func:`~napari_construct.region_table`. Of a slide, ``mean_confidence`` needs stored
        probabilities.

    Raises
    ------
    InputError
        If the result cannot be read, is not finished, or is a stack; or regions cannot be read.
    """
    found = open_result(Path(result))
    return measured(found, None if regions is None else regions_on(found, regions, origin))


def open_result(path: Path) -> StoredResult | StoredPyramid:
    """A result of one plane; labels of a slide are opened and not read.

    Raises
    ------
    InputError
        If there is none, or it is a stack.
    """
    place = _pyramid_of(path)
    if place is not None:
        return open_pyramid(place)
    found = load_result(path)
    if found.labels.ndim != 2:
        raise InputError(f"{path}: expected a result of one plane, got a stack; give the result of one plane")
    return found


def regions_on(
    found: StoredResult | StoredPyramid, regions: PathLike | Iterable[Feature], origin: Place = (0, 0)
) -> RegionSet:
    """Regions in pixels of the labels of a result; parameters as of :func:`measure_result`."""
    step = found.downsample if isinstance(found, StoredPyramid) else 1.0
    return RegionSet.of(regions, origin=origin, step=(step, step))


def measured(found: StoredResult | StoredPyramid, regions: RegionSet | None) -> dict[str, NDArray[Any]]:
    """The table of a result and of regions in pixels of its labels."""
    if isinstance(found, StoredPyramid):
        return pyramid_table(found, regions)
    tissue = None
    if found.instances is None and found.record.get("settings", {}).get("min_confidence") == 0:
        tissue = found.labels > 0  # all of it was labelled
    return region_table(
        found.labels,
        found.classes,
        () if regions is None else regions,
        mpp=found.mpp,
        tissue=tissue,
        instances=found.instances,
    )


def _pyramid_of(path: Path) -> Path | None:
    """The label pyramid that a path is, or that the record there names."""
    if is_pyramid(path):
        return path
    folder, records = path, sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not path.is_dir():
        folder = path.parent
    if len(records) == 1 and records[0].suffix == ".json":
        name = files_of(records[0]).get("zarr", "")
        if name and Path(name).name == name and is_pyramid(folder / name):
            return folder / name
    return None
