"""``segment`` with a student on one channel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_construct.cli._errors import one_line
from napari_construct.cli._options import given
from napari_construct.cli._output import STDOUT, check_folder, check_json, write_json
from napari_construct.cli._result_names import check_names, stem_of
from napari_construct.events.progress import Bars, progress_bars
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.names import found_as, shown

if TYPE_CHECKING:
    from napari_construct.batch.settings import BatchSettings
    from napari_construct.inference.cells.predictor import CellPredictor
    from napari_construct.inference.cells.settings import CellSettings


def refuse_options(model: str, given: Collection[str]) -> None:
    """Refuse options that mean nothing to a model for channels.

    Raises
    ------
    ConfigurationError
        If there are any.
    """
    if given:
        typed = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigurationError(
            f"expected options of a model for channels of fluorescence, got {typed}, which {model} does not "
            "know; leave them out (thresholds are in --settings, see CellSettings)"
        )


def refuse_channel(model: str, channel: str | None) -> None:
    """Refuse ``--channel`` of a model that takes colour images.

    Raises
    ------
    ConfigurationError
        If there is one.
    """
    if channel is not None:
        raise ConfigurationError(
            f"expected --channel with a model for channels of fluorescence, got {model}, which takes colour "
            "images; leave it out"
        )


def student_batch_settings(
    model: str, typed: dict[str, Any], text: str | None, outputs: str | None, device: str
) -> BatchSettings:
    """The settings of a batch with a student: typed options, then ``--settings``, then the defaults."""
    from napari_construct.cli import _options as options
    from napari_construct.cli._merged import merged
    from napari_construct.inference.cells.settings import CellSettings
    from napari_construct.inference.settings import SegmentSettings

    cells = merged(CellSettings(), typed, text)
    wanted = options.batch_settings(model, SegmentSettings(), outputs, device)
    return (wanted.for_student() if outputs is None else wanted).changed(cells=cells)


def segment_cell_files(
    images: Sequence[Path],
    model: str,
    output: Path,
    typed: dict[str, Any],
    device: str | None,
    json_file: str | None,
    *,
    overwrite: bool,
) -> None:
    """Segment the cells of image files; arguments as of the command."""
    from napari_construct.batch.sources import without_results
    from napari_construct.cli._merged import merged
    from napari_construct.export.own_files import refuse_others
    from napari_construct.export.reports import refuse_inputs
    from napari_construct.inference.cells.loading import load_cell_model
    from napari_construct.inference.cells.settings import CellSettings
    from napari_construct.results.files import CELL_KINDS, result_paths

    text = typed.pop("settings")
    settings = merged(CellSettings(), given(**typed), text)
    images, about_results = without_results([found_as(str(path)) for path in images])
    check_names(images)
    targets = [file for path in images for file in result_paths(output, stem_of(path), CELL_KINDS).values()]
    refuse_inputs(targets, images)
    refuse_others(targets, overwrite=overwrite)
    check_folder(output)
    check_json(json_file, *images, model)
    predictor = load_cell_model(model, device=device or "auto")
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with progress_bars() as bars:
        for text in about_results:
            bars.say(f"note: {text}")
        for path in images:
            try:
                done.append(_one(path, output, predictor, settings, bars, overwrite=overwrite))
            except (ConstructError, OSError, MemoryError, RuntimeError) as error:
                failed.append({"image": str(path), "error": one_line(error)})
                bars.say(f"failed: {one_line(error)}")
    write_json(json_file, {"results": done, "failed": failed})
    if json_file != STDOUT:
        for item in done:
            typer.echo(f"{shown(item['image'])}: {item['cells']} cells, {item['percent']:.1f} % of the image")
        typer.echo(f"{len(done)} of {len(done) + len(failed)} segmented, results in {output}")
        if failed:
            typer.echo("failed: " + ", ".join(shown(item["image"]) for item in failed), err=True)
    if failed:
        raise typer.Exit(1)


def _one(
    path: Path,
    output: Path,
    predictor: CellPredictor,
    settings: CellSettings,
    bars: Bars,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    from napari_construct.data.channels.read import read_channels
    from napari_construct.inference.cells.segment import segment_cells_steps

    image = read_channels(path)
    result = bars.follow(segment_cells_steps(image, predictor, settings, name=path.name), path.name)
    files = result.save(output, stem_of(path), overwrite=overwrite)
    return {
        "image": str(path),
        "files": {kind: str(file) for kind, file in files.items()},
        "cells": result.record["cells"],
        "percent": 100 * float((result.labels > 0).mean()),
        "channel": result.record["input"]["channel"],
    }
