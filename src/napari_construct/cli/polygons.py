"""``napari-construct polygons``: write a result as GeoJSON for QuPath, and a table of its areas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli import _stored as stored
from napari_construct.cli._output import check_folder, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_construct.annotations import Feature
    from napari_construct.results.result import StoredResult
    from napari_construct.results.stored_pyramid import StoredPyramid


def polygons(
    result: stored.Result,
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
    min_area: Annotated[
        float,
        typer.Option(
            "--min-area",
            min=0,
            metavar="UM2",
            help="Leave out parts smaller than this many square micrometres; default 0 keeps all.",
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
    origin: stored.Origin = "0,0",
    overwrite: options.Overwrite = False,
) -> None:
    """Write a result as GeoJSON, which QuPath opens by drag and drop: annotations, or cells as detections."""
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.export.geojson import write_geojson
    from napari_construct.export.own_files import refuse_others

    if regions is not None and table is None:
        raise ConfigurationError("expected --table with --regions, got none; add --table areas.csv")
    corner = stored.corner(origin)
    found = stored.opened(result)
    least = _pixels(min_area, found)
    target = output or stored.beside(result, found, ".geojson")
    refuse_others([path for path in (table,) if path is not None], overwrite=overwrite)
    check_folder(target.parent)
    written = write_geojson(
        target,
        _features(found, simplify, least, merge=merge),
        origin=corner,
        overwrite=overwrite,
    )
    say(f"{target}: {written.features} polygon(s)")
    if table is not None:
        stored.write_areas(table, found, regions, corner)


def _features(
    found: StoredResult | StoredPyramid, simplify: float, min_area: float, *, merge: bool
) -> Iterator[Feature]:
    from napari_construct.export.polygons import cell_features, class_features
    from napari_construct.results.stored_pyramid import StoredPyramid

    if isinstance(found, StoredPyramid):  # of a slide: read strip by strip, in pixels of the slide
        found.check_complete()
        labels, factor = found.labels[0], found.downsample
    elif found.instances is None:
        labels, factor = found.labels, 1.0
    else:
        cell = found.classes[0]
        measured = found.cells()
        names = [name for name in measured if name != "label"]
        rows = zip(*(measured[name].tolist() for name in names), strict=True)
        numbers = measured["label"].tolist()
        measurements = {
            number: dict(zip(names, row, strict=True)) for number, row in zip(numbers, rows, strict=True)
        }
        return cell_features(
            found.instances,
            class_name=cell.name,
            colour=cell.colour,
            measurements=measurements,
            min_area=min_area,
        )
    return class_features(
        labels, found.classes, simplify=simplify, min_area=min_area, merge=merge, downsample=factor
    )


def _pixels(min_area: float, found: StoredResult | StoredPyramid) -> float:
    """A least area in pixels of the labels."""
    from napari_construct.exceptions import ConfigurationError

    if min_area == 0:
        return 0.0
    if found.mpp is None:
        raise ConfigurationError(
            "expected a result with known micrometres per pixel for --min-area, got one without; segment "
            "again with --mpp, or leave the option out"
        )
    return float(min_area / found.mpp**2)
