"""``napari-construct teach``: a model from painted examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, check_model, say, write_json
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.models.checkpoints.checkpoint import Checkpoint


def teach(
    strokes: Annotated[
        list[Path],
        typer.Argument(
            help="What was painted: folders of saved strokes, GeoJSON annotations (QuPath), masks of 0 "
            "(unpainted), 1, 2 etc., or folders of such files."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write, FILE.construct.")],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="The image of the annotations, or the folder with images of the same names."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            help="What to start from: auto (the bundled encoder, default), the id of an encoder, or a model "
            "(name or path), whose classes the result keeps.",
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--classes",
            help="Classes, a,b,c, in the order of the values of masks; may be repeated. Annotations name "
            "theirs.",
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also train the encoder, which takes minutes and is more accurate."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="With --deep: optimiser steps; default 300.")
    ] = None,
    model_mpp: Annotated[
        float | None,
        typer.Option(
            "--model-mpp",
            parser=options.decimal,
            metavar="FLOAT",
            help="Micrometres per pixel that the model sees. Default: those of the start, or of the images.",
        ),
    ] = None,
    mpp: options.Mpp = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed. Equal seeds give equal models on a CPU.")
    ] = None,
    unpainted: Annotated[
        Path | None,
        typer.Option(
            "--unpainted",
            help="Folder of images of the same source without strokes; with --deep they teach, too.",
        ),
    ] = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    overwrite: options.OverwriteModel = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Teach a model by painted examples, in seconds. No labelled patches are needed.

    The result is used like any other model.
    """
    from napari_construct.classes import ClassTable
    from napari_construct.exceptions import ConfigurationError
    from napari_construct.reading.name_lists import parse_names
    from napari_construct.teaching.settings import TeachSettings
    from napari_construct.teaching.sources import read_strokes, read_unpainted
    from napari_construct.teaching.teach import teach_steps

    target = check_model(output, *strokes, images, unpainted, encoder_weights, overwrite=overwrite)
    check_json(json_file, *strokes, images, unpainted)
    if unpainted is not None and not deep:
        raise ConfigurationError(
            "expected the deeper training with unpainted images, got the quick fit, which cannot use them; "
            "train deeper or leave them out (--deep, --unpainted)"
        )
    named = ClassTable.from_names(parse_names(classes)) if classes else None
    read = read_strokes(strokes, images, named, mpp=mpp)
    for notice in read.notices:
        say(f"note: {notice}", err=True)
    typed = options.given(start=start, mpp=model_mpp, steps=steps, seed=seed)
    settings = TeachSettings.checked(classes=read.classes, deeper=deep, **typed)
    with progress_bars() as bars:
        made = bars.follow(
            teach_steps(
                read.strokes,
                settings,
                images=read_unpainted(unpainted, read.strokes, mpp) if unpainted else (),
                output=target,
                overwrite=overwrite,
                device=device or "auto",
                encoder_weights=encoder_weights,
                any_encoder=any_encoder,
            )
        )
    write_json(
        json_file,
        {"checkpoint": str(target), "metrics": made.metrics, "teaching": made.training["teaching"]},
    )
    if json_file != STDOUT:
        _report(made)
        say(f"checkpoint: {target}")


def _report(made: Checkpoint) -> None:
    from napari_construct.models.checkpoints.taught_words import taught_by

    say(f"taught by {taught_by(made.training)}")
    for row in made.training["teaching"].get("held_out", ()):
        if row["recall"] is not None:
            share = f"{100 * row['recall']:.0f} % of {row['strokes']} strokes"
            say(f"{row['name']}: {share} recognised while they were left out")
    if "held_out_accuracy" in made.metrics:
        say(f"balanced accuracy on strokes that were left out: {made.metrics['held_out_accuracy']:.3f}")
