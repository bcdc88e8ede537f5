"""``napari-construct batch``: segment folders, files and stacks; resume after a stop."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from napari_construct.cli import _cluster as several
from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_folder, check_json, say, write_json
from napari_construct.events.progress import progress_bars
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.names import shown

if TYPE_CHECKING:
    from napari_construct.batch.preview import Preview
    from napari_construct.batch.report import BatchReport
    from napari_construct.batch.settings import BatchSettings
    from napari_construct.batch.share import Share
    from napari_construct.batch.sources import Found
    from napari_construct.cluster.cluster import Cluster
    from napari_construct.events import Steps
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.cells.predictor import CellPredictor


class Ways(NamedTuple):
    """How a run treats what lies in the folder, and which part of the work is its own."""

    restart: bool
    overwrite: bool
    share: Share | None


def batch(
    inputs: Annotated[
        list[Path], typer.Argument(help="Images, slides, OME-Zarr images, TIFF stacks, or folders of them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results and ledger.")],
    model: options.Model = DEFAULT_MODEL,
    outputs: Annotated[
        str | None,
        typer.Option(
            "--outputs",
            help="Files to write for each image: mask,overlay,cams,zarr,ood; default mask,overlay. With a "
            "student on one channel also cells,table,boundary; default mask,cams,cells,table.",
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive/--flat", help="Include subfolders, or not.")] = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Segment all images again instead of resuming.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say for each image what would be done, and write nothing."),
    ] = False,
    overwrite: options.Overwrite = False,
    settings: options.SettingsJson = None,
    classes: options.Classes = None,
    views: options.Views = None,
    crf: options.CrfOfModel = None,
    tile: options.Tile = None,
    overlap: options.Overlap = None,
    mpp: options.Mpp = None,
    channel: options.Channel = None,
    min_confidence: options.MinConfidence = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    workers: several.WorkerCount = None,
    scheduler: several.Scheduler = None,
    share: several.ShareOption = None,
    json_file: options.JsonFile = None,
) -> None:
    """Segment many images and slides. Run the same command again to resume.

    The output keeps the folder structure. A whole slide (more than 100 megapixels) is segmented out of core
    into NAME_mask.ome.zarr; a stopped run goes on inside it. Each plane of a TIFF stack is one image; the
    masks of a stack are joined at the end. The ledger (batch.jsonl) and batch.csv list broken images. They
    do not stop the others; the exit code is then 1. batch_summary.csv has the areas over all. A student on
    one channel (distill) reads images as channels, and its cells are joined in batch_cells.csv.
    """
    from napari_construct.batch.sources import look_for_sources
    from napari_construct.cli._cells import refuse_channel, refuse_options, student_batch_settings
    from napari_construct.inference.cells.loading import is_cell_model, load_cell_model
    from napari_construct.inference.loading import load_model

    ways = Ways(restart, overwrite, several.share_of(share))
    cluster = several.cluster_of(workers, scheduler)
    if is_cell_model(model):
        others = {"classes": classes, "views": views, "crf": crf, "min_confidence": min_confidence}
        refuse_options(model, options.given(**others, encoder_weights=encoder_weights))
        typed = options.given(tile=tile, overlap=overlap, mpp=mpp, channel=channel)
        of_cells = student_batch_settings(shown(model), typed, settings, outputs, device or "auto")
        _check_output(output, dry_run)
        check_json(json_file, *inputs, model)
        found = look_for_sources(inputs, recursive=recursive, output=output, channels=True)
        student = load_cell_model(model, device=of_cells.device)
        _go(found, student, of_cells, output, ways, cluster, json_file, dry_run=dry_run)
        return
    refuse_channel(model, channel)

    chosen, device = options.segment_settings(
        settings,
        device,
        classes=classes,
        views=views,
        crf=crf,
        tile=tile,
        overlap=overlap,
        mpp=mpp,
        min_confidence=min_confidence,
    )
    wanted = options.batch_settings(shown(model), chosen, outputs, device)
    _check_output(output, dry_run)
    check_json(json_file, *inputs, model, encoder_weights)
    found = look_for_sources(inputs, recursive=recursive, output=output)
    predictor = load_model(model, device=device, encoder_weights=encoder_weights, any_encoder=any_encoder)
    wanted = wanted.changed(segment=options.with_classes(chosen, classes, predictor.classes.names))
    _go(found, predictor, wanted, output, ways, cluster, json_file, dry_run=dry_run)


def _check_output(output: Path, dry_run: bool) -> None:
    """Refuse what can be no folder; a dry run makes none."""
    from napari_construct.reading.places import is_folder, mode_of

    if not dry_run:
        check_folder(output)
    elif mode_of(output) and not is_folder(output):
        raise ConfigurationError(f"{output}: expected a folder for the results, got a file; choose another")


def _go(
    found: Found,
    predictor: Predictor | CellPredictor,
    settings: BatchSettings,
    output: Path,
    ways: Ways,
    cluster: AbstractContextManager[Cluster | None],
    json_file: str | None,
    *,
    dry_run: bool,
) -> None:
    """Run a batch, or say what it would do."""
    from napari_construct.batch.preview import preview_steps
    from napari_construct.batch.runner import run_batch_steps
    from napari_construct.batch.sources import announced

    if not dry_run:
        with cluster as workers:
            batched = run_batch_steps(
                found.sources, predictor, settings, output, workers=workers, **ways._asdict()
            )
            _follow(announced(found.notices, batched), json_file)
        return
    with progress_bars() as bars:
        previews = bars.follow(
            announced(
                found.notices, preview_steps(found.sources, predictor, settings, output, **ways._asdict())
            )
        )
    _show_previews(previews, json_file)


def _show_previews(previews: tuple[Preview, ...], json_file: str | None) -> None:
    from napari_construct.batch.preview import in_short

    write_json(json_file, {"dry_run": True, "items": [one.to_dict() for one in previews]})
    if json_file != STDOUT:
        for one in previews:
            say(str(one), err=one.action == "fail")
        say(in_short(previews))
    if any(one.action == "fail" for one in previews):
        raise typer.Exit(1)


def _follow(steps: Steps[BatchReport], json_file: str | None) -> None:
    """Run a batch with bars, and say what came of it."""
    with progress_bars() as bars:
        report = bars.follow(steps)
    write_json(json_file, report.to_dict())
    if json_file != STDOUT:
        _summary(report)
    if report.failed:
        raise typer.Exit(1)


def _summary(report: BatchReport) -> None:
    from napari_construct.batch.summary import in_words

    for entry in report.failed:
        say(f"failed: {entry.key}: {entry.error.removeprefix(f'{entry.key}: ')}", err=True)
    resumed = f" ({len(report.resumed)} in an earlier run)" if report.resumed else ""
    warned = f", {len(report.warned)} with warnings" if report.warned else ""
    if report.done:
        say(f"over all: {in_words(report.totals)}")
    say(
        f"{len(report.done)} of {len(report.entries)} done{resumed}, {len(report.failed)} failed{warned}; "
        f"results{'' if report.cells is None else f', {report.cells.name}'} and batch.csv in {report.output}"
    )
