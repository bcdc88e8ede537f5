"""``napari-construct calibrate``: fit temperature and presence thresholds to new slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, check_model, say, write_json, write_model
from napari_construct.events.progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.data.image_level import ImageLevelDataset


def calibrate(
    model: Annotated[str, typer.Argument(help="Model name, or path of a .construct file.")],
    data: Annotated[
        Path,
        typer.Argument(
            help="Validation data: a folder with img and mask, or labelled patches (as for train). Do not "
            "use the training data."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write, FILE.construct.")],
    mpp: Annotated[
        float | None,
        options.mpp_option("Micrometres per pixel of the data."),
    ] = None,
    offsets: Annotated[bool, typer.Option("--offsets", help="Also fit the class balance.")] = False,
    first_class: options.FirstClass = None,
    mask_order: options.MaskOrder = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    overwrite: options.OverwriteModel = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Fit the temperature and the presence thresholds of a model to validation data. Nothing is trained.

    Pixel confidence and the best presence thresholds differ between laboratories and scanners. A few dozen
    labelled patches of your own, or some images with masks, are enough.
    """
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint
    from napari_construct.models.checkpoints.encoder_of_checkpoint import encoder_of_checkpoint
    from napari_construct.models.checkpoints.locations import resolve_model
    from napari_construct.training.calibration.recalibrate import recalibrate_steps

    path = resolve_model(model)
    target = check_model(output, path, encoder_weights, overwrite=overwrite)
    check_json(json_file, path, encoder_weights)
    checkpoint = load_checkpoint(path)
    encoder = None
    if encoder_weights is not None:
        encoder = encoder_of_checkpoint(checkpoint, encoder_weights, any_encoder=any_encoder)
    with progress_bars() as bars:
        steps = recalibrate_steps(
            checkpoint,
            _data(data, checkpoint.classes.names),
            mpp=mpp,
            offsets=offsets,
            encoder=encoder,
            device=device or "auto",
            any_encoder=any_encoder,
            first_class=options.first_class_of(first_class),
            mask_order=options.mask_order_of(mask_order),
        )
        made = bars.follow(steps)
    write_model(target, made)
    found, f1 = made.calibration, made.metrics["calibration_f1"]
    write_json(
        json_file,
        {
            "checkpoint": str(target),
            "calibration": found.model_dump(mode="json"),
            "calibration_f1": f1,
        },
    )
    if json_file != STDOUT:
        limits = ", ".join(
            f"{name} {limit:.2f}"
            for name, limit in zip(made.classes.names, found.presence_thresholds, strict=True)
        )
        say(f"temperature {found.temperature:.3f}; presence thresholds: {limits}; macro F1 {f1:.3f}")
        say(f"checkpoint: {target}")


def _data(path: Path, classes: tuple[str, ...]) -> ImageLevelDataset | Path:
    from napari_construct.data.image_level import load_dataset
    from napari_construct.data.masks import holds_masks

    return path if holds_masks(path) else load_dataset(path, class_names=classes)
