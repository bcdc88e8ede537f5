"""``napari-construct polygons``: write a result as GeoJSON for QuPath, and a table of its areas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import check_folder, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_construct.annotations import Feature, Place
    from napari_construct.results.result import StoredResult
    from napari_construct.results.stored_pyramid import StoredPyramid


def polygons(
    result: Annotated[
        Path, typer.Argument(help="Record, mask, cells or OME-Zarr of a result, or a folder with one.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="NAME.geojson, NAME.geojson.gz or NAME.zip; by default beside it."
        ),
    ] = None,
    simplify: Annotated[
        float,
        typer.Option(
            "--simplify", min=0, help="Smooth outlines by about this many pixels; 0 keeps every pixel."
        ),
    ] = 0.0,
    merge: Annotated[
        bool, typer.Option("--merge", help="One object for each class instead of one for each part.")
    ] = False,
    regions: Annotated[
        Path | None,
        typer.Option("--regions", help="GeoJSON with regions for the table (of QuPath, for example)."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Also write areas, shares and parts of each class, and region, as CSV."),
    ] = None,
    origin: Annotated[
        str, typer.Option("--origin", help="Row and column of the image that QuPath calls 0,0.")
    ] = "0,0",
    overwrite: options.Overwrite = False,
) -> None:
    """Write a result as GeoJSON, which QuPath opens by drag and drop: annotations, or cells as detections."""
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.export.geojson import write_geojson
    from napari_construct.export.own_files import is_pyramid, refuse_others, result_name
    from napari_construct.results.read import load_result
    from napari_construct.results.stored_pyramid import StoredPyramid, open_pyramid

    if regions is not None and table is None:
        raise ConfigurationError("expected --table with --regions, got none; add --table areas.csv")
    corner = _corner(origin)
    found = open_pyramid(result) if is_pyramid(result) else load_result(result)
    for notice in found.notices:
        say(f"note: {notice}", err=True)
    if not isinstance(found, StoredPyramid) and found.labels.ndim != 2:
        raise ConfigurationError(
            f"{result}: expected a result of one plane, got a stack; give the result of one plane"
        )
    if isinstance(found, StoredPyramid) or result.is_file() or result.suffix == ".zarr":
        place = result
    else:
        place = result / found.name
    target = output or place.with_name(f"{result_name(place)}.geojson")
    refuse_others([path for path in (table,) if path is not None], overwrite=overwrite)
    check_folder(target.parent)
    written = write_geojson(
        target, _features(found, simplify, merge=merge), origin=corner, overwrite=overwrite
    )
    say(f"{target}: {written.features} polygon(s)")
    if table is not None:
        _write_table(table, found, regions, corner)
        say(f"table: {table}")


def _features(found: StoredResult | StoredPyramid, simplify: float, *, merge: bool) -> Iterator[Feature]:
    from napari_construct.export.polygons import cell_features, class_features
    from napari_construct.results.stored_pyramid import StoredPyramid

    if isinstance(found, StoredPyramid):  # of a slide: read strip by strip, in pixels of the slide
        return class_features(
            found.labels[0], found.classes, simplify=simplify, merge=merge, downsample=found.downsample
        )
    if found.instances is None:
        return class_features(found.labels, found.classes, simplify=simplify, merge=merge)
    cell = found.classes[0]
    measured = found.cells()
    names = [name for name in measured if name != "label"]
    rows = zip(*(measured[name].tolist() for name in names), strict=True)
    numbers = measured["label"].tolist()
    measurements = {
        number: dict(zip(names, row, strict=True)) for number, row in zip(numbers, rows, strict=True)
    }
    return cell_features(found.instances, class_name=cell.name, colour=cell.colour, measurements=measurements)


def _write_table(
    path: Path, found: StoredResult | StoredPyramid, regions: Path | None, origin: Place
) -> None:
    from napari_construct.data.geojson import read_geojson
    from napari_construct.export.tables import write_table
    from napari_construct.results.region_areas import region_table
    from napari_construct.results.stored_pyramid import StoredPyramid

    areas = () if regions is None else read_geojson(regions, origin=origin)
    if isinstance(found, StoredPyramid):
        labels, factor = found.read_labels(), found.downsample
        table = region_table(labels, found.classes, areas, mpp=found.mpp, downsample=factor)
    else:
        table = region_table(found.labels, found.classes, areas, mpp=found.mpp, instances=found.instances)
    write_table(path, table)
    for notice in getattr(areas, "notices", ()):
        say(f"note: {notice}", err=True)


def _corner(text: str) -> Place:
    from napari_construct.exceptions import ConfigurationError

    try:
        row, column = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"expected --origin as row,column, got {text!r}; for example 1024,2048"
        ) from error
    return row, column
