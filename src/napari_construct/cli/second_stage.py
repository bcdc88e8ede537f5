"""``napari-construct second-stage``: train a one-pass network on pseudo masks of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, check_model, say, write_json
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.data.image_level import ImageLevelDataset


def second_stage(
    model: Annotated[
        str, typer.Argument(help="First-stage model: model name, or path of a .construct file.")
    ],
    folder: Annotated[
        Path, typer.Argument(help="Labelled patches (as for train); best the training patches of the model.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write, FILE.construct.")],
    val: Annotated[
        Path | None,
        typer.Option(
            "--val", help="Validation: a folder with img and mask (scores), or patches (calibration)."
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            help="first: the encoder of the first stage, as it was trained (default where it is lite0, lite1 "
            "or lite2). lite0: the bundled one (default otherwise). smp:resnet18 etc.: from random weights.",
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Optimiser steps; default 600.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Patches per step.")] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence", min=0, max=1, help="Ignore pseudo-mask pixels of lower probability."
        ),
    ] = None,
    crf: options.CrfOfModel = None,
    mpp: Annotated[
        float | None,
        options.mpp_option("Micrometres per pixel of the patches."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed. Equal seeds give equal runs on a CPU.")
    ] = None,
    first_class: options.FirstClass = None,
    mask_order: options.MaskOrder = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    overwrite: options.OverwriteModel = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Train a small network on pseudo masks: the masks of a model on its training patches.

    The result is used like any other model. It is faster: it needs one pass over an image, no views and no
    CRF. It is made for use with --no-crf.
    """
    from napari_construct.cli._merged import merged
    from napari_construct.data.masks import holds_masks
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint
    from napari_construct.models.checkpoints.encoder_of_checkpoint import encoder_of_checkpoint
    from napari_construct.models.checkpoints.locations import resolve_model
    from napari_construct.training.config.second_stage import SecondStageConfig
    from napari_construct.training.second_stage.train import train_second_stage_steps

    typed = options.given(
        encoder=encoder,
        steps=steps,
        batch_size=batch_size,
        min_confidence=min_confidence,
        patch_mpp=mpp,
        seed=seed,
    )
    typed |= options.given_first_class(first_class)
    typed |= options.given(mask_order=options.mask_order_of(mask_order))
    config = merged(SecondStageConfig(), typed | options.given_crf(crf))
    path = resolve_model(model)
    target = check_model(output, path, encoder_weights, overwrite=overwrite)
    check_json(json_file, path, encoder_weights)
    first = load_checkpoint(path)
    own = None
    if encoder_weights is not None:
        own = encoder_of_checkpoint(first, encoder_weights, any_encoder=any_encoder)
    names = first.classes.names
    dataset, validation = _labelled(folder, names), None
    if val is not None:
        validation = val if holds_masks(val) else _labelled(val, names)
    with progress_bars() as bars:
        made = bars.follow(
            train_second_stage_steps(
                dataset,
                first,
                config,
                val=validation,
                output=target,
                encoder=own,
                device=device or "auto",
                any_encoder=any_encoder,
                overwrite=overwrite,
            )
        )
    unknown = made.training["unknown_pixels"]
    write_json(
        json_file, {"checkpoint": str(target), "metrics": made.metrics, "training": dict(made.training)}
    )
    if json_file != STDOUT:
        numbers = ", ".join(f"{name} {value:.4f}" for name, value in made.metrics.items())
        say(f"{numbers}; {100 * unknown:.1f} % of the pseudo-mask pixels ignored")
        say(f"checkpoint: {target}")


def _labelled(path: Path, names: tuple[str, ...]) -> ImageLevelDataset:
    from napari_construct.data.image_level import load_dataset

    return load_dataset(path, class_names=names)
