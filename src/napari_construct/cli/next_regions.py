"""``napari-construct next``: where a look is worth most, and what was said of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_folder, check_json, say, write_json
from napari_construct.cli._text import print_table
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.evaluation.report.table import Table
    from napari_construct.labelling.queue.queue import RegionQueue


def next_regions(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Results with probabilities or class maps: OME-Zarr of a slide, record of an image."
        ),
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=5000, help="Regions in the queue.")] = 20,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            "--image",
            help="Image or slide of each result, in their order; without, regions differ by classes alone.",
        ),
    ] = None,
    side: Annotated[
        float, typer.Option("--side", min=1, metavar="UM", help="Side of a region in micrometres.")
    ] = 128.0,
    doubt: Annotated[
        Literal["entropy", "margin"], typer.Option("--doubt", help="How doubt is read from probabilities.")
    ] = "entropy",
    diversity: Annotated[
        float,
        typer.Option("--diversity", min=0, max=4, help="Weight of what differs; 0: doubt and area alone."),
    ] = 1.0,
    min_tissue: Annotated[
        float, typer.Option("--min-tissue", min=0, max=1, help="Share of a region that is tissue, at least.")
    ] = 0.25,
    queue: Annotated[
        Path | None,
        typer.Option(
            "--queue", help="Where the queue is kept; by default NAME_next.queue beside the result."
        ),
    ] = None,
    accept: Annotated[
        list[int] | None, typer.Option("--accept", min=1, help="Region whose mask is right; may be repeated.")
    ] = None,
    skip: Annotated[
        list[int] | None, typer.Option("--skip", min=1, help="Region to pass over; may be repeated.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Rank again, after a new model for example; what was done stays.")
    ] = False,
    geojson: Annotated[
        Path | None,
        typer.Option("--geojson", help="Write the waiting regions of the first image for QuPath (locked)."),
    ] = None,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Rank regions by doubt x diversity x tissue, and go on with the queue of the last time."""
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.labelling.queue.queue import RegionQueue

    check_json(json_file, *results, *(image or []))
    kept = queue or _beside(results[0])
    if queue is not None:
        check_folder(kept.parent)
    found = RegionQueue.load(kept) if os.path.lexists(kept) else None
    if found is None or again:
        fields = {
            "count": count,
            "side_um": side,
            "doubt": doubt,
            "diversity": diversity,
            "min_tissue": min_tissue,
        }
        ranked = _ranked(results, image, fields, found, device or "auto")
        found = ranked if found is None else found.followed_by(ranked)
    for number in accept or ():
        found = found.put(number - 1, "accepted")
    for number in skip or ():
        found = found.put(number - 1, "skipped")
    found.save(kept)
    if geojson is not None:
        _write_geojson(geojson, found)
    write_json(json_file, {"queue": str(kept), "regions": [one.to_dict() for one in found]})
    if json_file != STDOUT:
        print_table(_table(found))
        done = len(found) - found.counts()["waiting"]
        say(f"{kept}: {done} of {len(found)} done")
    if not len(found):
        raise ConfigurationError(f"{kept}: expected regions, got none; remove it and rank again")


def _ranked(
    results: list[Path],
    images: list[Path] | None,
    fields: dict[str, Any],
    before: RegionQueue | None,
    device: str,
) -> RegionQueue:
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.labelling.queue.evidence import of_result
    from napari_construct.labelling.queue.rank import rank_steps
    from napari_construct.labelling.queue.settings import QueueSettings

    if images is not None and len(images) != len(results):
        raise ConfigurationError(
            f"expected --image for each of {len(results)} result(s), got {len(images)}; name all of them"
        )
    shown: list[Path | None] = [None] * len(results) if images is None else list(images)
    evidence = [of_result(one, shown_one) for one, shown_one in zip(results, shown, strict=True)]
    settings = QueueSettings.checked(**fields)
    known = () if before is None else before.known
    with progress_bars() as bars:
        return bars.follow(rank_steps(evidence, settings, known=known, device=device))


def _beside(result: Path) -> Path:
    """Where the queue of a result lies."""
    from napari_construct.export.own_files import result_name
    from napari_construct.labelling.queue.queue import ENDING

    folder = result if result.is_dir() and result.suffix != ".zarr" else result.parent
    name = result.name if folder == result else result_name(result).removesuffix(".json")
    return folder / f"{name or 'results'}{ENDING}"


def _write_geojson(path: Path, found: RegionQueue) -> None:
    from napari_construct.export.geojson import write_geojson

    source = found.regions[0].source if found.regions else None
    check_folder(path.parent)
    written = write_geojson(path, found.features(source, waiting=True))
    say(f"{path}: {written.features} region(s)", err=True)


def _table(found: RegionQueue) -> Table:
    from napari_construct.evaluation.report.table import Table

    rows = tuple(
        (
            f"{number} {one.state}",
            one.source,
            f"{one.row}, {one.column}",
            f"{one.gain:.3f}",
            f"{one.doubt:.2f}",
            f"{one.diversity:.2f}",
            f"{one.tissue:.2f}",
            one.guess,
        )
        for number, one in enumerate(found, start=1)
    )
    heads = ("region", "image", "row, column", "gain", "doubt", "diversity", "tissue", "guess")
    return Table("Where to look next", heads, rows)
