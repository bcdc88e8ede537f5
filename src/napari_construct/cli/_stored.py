"""Stored results in commands that measure and convert them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli._output import say

if TYPE_CHECKING:
    from napari_construct.annotations import Place
    from napari_construct.results.result import StoredResult
    from napari_construct.results.stored_pyramid import StoredPyramid

Result = Annotated[
    Path, typer.Argument(help="Record, mask, cells or OME-Zarr of a result, or a folder with one.")
]
Origin = Annotated[
    str,
    typer.Option("--origin", metavar="ROW,COLUMN", help="Row and column of the image that QuPath calls 0,0."),
]


def opened(result: Path) -> StoredResult | StoredPyramid:
    """A result, with its notices said."""
    from napari_construct.results.measured import open_result

    found = open_result(result)
    for notice in found.notices:
        say(f"note: {notice}", err=True)
    return found


def beside(result: Path, found: StoredResult | StoredPyramid, ending: str) -> Path:
    """Where a file goes that belongs to a result: beside it, NAME and an ending."""
    from napari_construct.export.own_files import result_name
    from napari_construct.results.stored_pyramid import StoredPyramid

    if isinstance(found, StoredPyramid):
        place = found.path
    else:
        place = result if result.is_file() or result.suffix == ".zarr" else result / found.name
    return place.with_name(f"{result_name(place)}{ending}")


def write_areas(path: Path, found: StoredResult | StoredPyramid, regions: Path | None, origin: Place) -> None:
    """Write the table of a result and regions, and say so."""
    from napari_construct.export.tables import write_table
    from napari_construct.results.measured import measured, regions_on

    areas = None if regions is None else regions_on(found, regions, origin)
    write_table(path, measured(found, areas))
    for notice in () if areas is None else areas.notices:
        say(f"note: {notice}", err=True)
    say(f"table: {path}")


def corner(text: str) -> Place:
    """``--origin``."""
    from napari_construct.exceptions import ConfigurationError

    try:
        row, column = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"expected --origin as row,column, got {text!r}; for example 1024,2048"
        ) from error
    return row, column
