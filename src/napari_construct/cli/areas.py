"""``napari-construct areas``: a result measured by regions, without segmenting again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli import _stored as stored
from napari_construct.cli._output import check_folder


def areas(
    result: stored.Result,
    regions: Annotated[
        Path | None,
        typer.Option("--regions", help="GeoJSON with annotations (of QuPath, for example): rows for each."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="CSV; by default NAME_areas.csv or NAME_REGIONS_areas.csv beside it."
        ),
    ] = None,
    origin: stored.Origin = "0,0",
    overwrite: options.Overwrite = False,
) -> None:
    """Measure a result: mm2, percent of tissue, connected parts, confidence; over all and by region.

    Nothing is segmented again. Annotations of QuPath's class Ignore* count nowhere.
    """
    from napari_construct.export.own_files import refuse_others
    from napari_construct.export.reports import refuse_inputs

    corner = stored.corner(origin)
    found = stored.opened(result)
    ending = "_areas.csv" if regions is None else f"_{regions.stem.removesuffix('.geojson')}_areas.csv"
    target = output or stored.beside(result, found, ending)
    refuse_inputs([target], [path for path in (result, regions) if path is not None])
    refuse_others([target], overwrite=overwrite)
    check_folder(target.parent)
    stored.write_areas(target, found, regions, corner)
