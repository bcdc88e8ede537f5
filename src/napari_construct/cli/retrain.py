"""``napari-construct retrain``: train a model further with corrections of its masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, check_model, say, write_json
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.data.image_level import ImageLevelDataset
    from napari_construct.teaching.retrain import RetrainResult


def retrain(
    model: Annotated[str, typer.Argument(help="Model to retrain: model name, or path of a .construct file.")],
    corrections: Annotated[
        list[Path],
        typer.Argument(
            help="Corrections: folders with img and mask inside (value 0: not corrected, 1: the first "
            "class), corrections saved in napari, or GeoJSON of QuPath beside its image of the same name."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="New checkpoint to write, FILE.construct.")],
    replay: Annotated[
        Path | None,
        typer.Option(
            "--replay",
            help="Old labelled patches (as for train), best those of the model: it forgets nothing.",
        ),
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(
            "--val", help="Validation: a folder with img and mask (scores), or patches (calibration)."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Optimiser steps; default 200.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="Views per step; half of them are corrections.")
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            "--held-out",
            min=0,
            max=0.9,
            help="Share of the corrections left out, to score before and after; default 0.25.",
        ),
    ] = None,
    mpp: Annotated[
        float | None,
        options.mpp_option("Micrometres per pixel of corrected images and old patches that do not say it."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed. Equal seeds give equal runs on a CPU.")
    ] = None,
    settings: options.SettingsJson = None,
    first_class: options.FirstClass = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    overwrite: options.OverwriteModel = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Retrain a model with corrections of its masks.

    A part of the corrections is left out, and both models are scored on it. The old model is never changed.
    """
    from napari_construct.cli._merged import merged
    from napari_construct.cli._training import with_losses
    from napari_construct.data.masks import holds_masks
    from napari_construct.export.reports import refuse_inputs
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint
    from napari_construct.models.checkpoints.encoder_of_checkpoint import encoder_of_checkpoint
    from napari_construct.models.checkpoints.locations import resolve_model, with_suffix
    from napari_construct.teaching.correction_files import read_corrections
    from napari_construct.teaching.retrain import RetrainSettings, retrain_steps

    typed = options.given(
        steps=steps, batch_size=batch_size, held_out=held_out, patch_mpp=mpp, seed=seed
    ) | options.given_first_class(first_class)
    chosen = merged(RetrainSettings(), typed, settings)
    path = resolve_model(model)
    refuse_inputs([with_suffix(output)], [path])
    target = check_model(output, path, encoder_weights, overwrite=overwrite or resume)
    check_json(json_file, path, encoder_weights, *corrections)
    old = load_checkpoint(path)
    own = None
    if encoder_weights is not None:
        own = encoder_of_checkpoint(old, encoder_weights, any_encoder=any_encoder)
    found = read_corrections(corrections, old.classes, mpp=mpp)
    for text in found.notices:
        say(f"note: {text}", err=True)
    names = old.classes.names
    old_data = None if replay is None else _labelled(replay, names)
    validation = None
    if val is not None:
        validation = val if holds_masks(val) else _labelled(val, names)
    with progress_bars() as bars:
        steps_of = retrain_steps(
            path,
            found.strokes,
            chosen,
            classes=found.classes,
            replay=old_data,
            val=validation,
            output=target,
            resume=resume,
            overwrite=overwrite,
            encoder=own,
            any_encoder=any_encoder,
            device=device or "auto",
        )
        result = bars.follow(with_losses(steps_of, bars, "left-out corrections"))
    made = result.checkpoint
    write_json(
        json_file,
        {"checkpoint": str(target), "metrics": made.metrics, "corrections": made.training["corrections"]},
    )
    if json_file != STDOUT:
        for line in _table(result):
            say(line)
        say(result.words)
        say(f"checkpoint: {target}")


def _table(result: RetrainResult) -> Sequence[str]:
    """Scores of each class before and after."""
    before, after = result.before, result.after
    if before is None or after is None:
        return ()
    rows = zip(before.classes, before.iou, after.iou, before.recall, after.recall, strict=True)
    return [
        f"{name}: IoU {_number(a)} -> {_number(b)}, recall {_number(c)} -> {_number(d)}"
        for name, a, b, c, d in rows
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _labelled(path: Path, names: tuple[str, ...]) -> ImageLevelDataset:
    from napari_construct.data.image_level import load_dataset

    return load_dataset(path, class_names=names)
