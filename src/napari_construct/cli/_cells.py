"""``segment`` with a student on one channel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_construct.cli._each_image import checked_images, each_image
from napari_construct.cli._options import given
from napari_construct.cli._result_names import stem_of
from napari_construct.events.progress import Bars
from napari_construct.exceptions import ConfigurationError

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


def refuse_channel(model: str, channel: str | None, *, boundary_map: bool = False) -> None:
    """Refuse ``--channel`` and ``--boundary-map`` of a model that takes colour images.

    Raises
    ------
    ConfigurationError
        If there is one.
    """
    for typed, option in ((channel is not None, "--channel"), (boundary_map, "--boundary-map")):
        if typed:
            raise ConfigurationError(
                f"expected {option} with a model for channels of fluorescence, got {model}, which takes "
                "colour images; leave it out"
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
    settings_json: str | None,
    device: str | None,
    json_file: str | None,
    *,
    overwrite: bool,
    boundary_map: bool = False,
) -> None:
    """Segment the cells of image files; arguments as of the command."""
    from napari_construct.cli._merged import merged
    from napari_construct.inference.cells.loading import load_cell_model
    from napari_construct.inference.cells.settings import CellSettings
    from napari_construct.results.files import CELL_KINDS

    settings = merged(CellSettings(), given(**typed), settings_json)
    kinds = (*CELL_KINDS, "boundary") if boundary_map else CELL_KINDS
    found, about_results = checked_images(images, output, kinds, json_file, model, overwrite=overwrite)
    predictor = load_cell_model(model, device=device or "auto")

    def one(path: Path, bars: Bars) -> dict[str, Any]:
        return _one(path, output, predictor, settings, bars, kinds, overwrite=overwrite)

    each_image(found, about_results, one, _in_words, output, json_file)


def _one(
    path: Path,
    output: Path,
    predictor: CellPredictor,
    settings: CellSettings,
    bars: Bars,
    kinds: Sequence[str],
    *,
    overwrite: bool,
) -> dict[str, Any]:
    from napari_construct.data.channels.read import read_channels
    from napari_construct.inference.cells.segment import segment_cells_steps

    image = read_channels(path)
    result = bars.follow(segment_cells_steps(image, predictor, settings, name=path.name), path.name)
    files = result.save(output, stem_of(path), kinds=kinds, overwrite=overwrite)
    return {
        "image": str(path),
        "files": {kind: str(file) for kind, file in files.items()},
        "cells": result.record["cells"],
        "percent": 100 * float((result.labels > 0).mean()),
        "channel": result.record["input"]["channel"],
    }


def _in_words(item: dict[str, Any]) -> str:
    return f"{item['cells']} cells, {item['percent']:.1f} % of the image"
