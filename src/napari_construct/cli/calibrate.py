"""``napari-construct calibrate``: fit temperature and presence thresholds to new slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, say, write_json
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
    mpp: Annotated[float | None, typer.Option("--mpp", help="Micrometres per pixel of the data.")] = None,
    offsets: Annotated[bool, typer.Option("--offsets", help="Also fit the class balance.")] = False,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Fit the temperature and the presence thresholds of a model to validation data. Nothing is trained.

    Pixel confidence and the best presence thresholds differ between laboratories and scanners. A few dozen
    labelled patches of your own, or some images with masks (value 0 is the first class), are enough.
    """
    from napari_construct.encoders.catalogue.lookup import create_encoder
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
    from napari_construct.models.checkpoints.locations import resolve_model, with_suffix
    from napari_construct.training.calibration.recalibrate import recalibrate_steps

    check_json(json_file)
    checkpoint = load_checkpoint(resolve_model(model))
    encoder = None
    if encoder_weights is not None:
        encoder = create_encoder(checkpoint.config.encoder, weights=encoder_weights)
    with progress_bars() as bars:
        steps = recalibrate_steps(
            checkpoint,
            _data(data, checkpoint.classes.names),
            mpp=mpp,
            offsets=offsets,
            encoder=encoder,
            device=device or "auto",
            any_encoder=any_encoder,
        )
        made = bars.follow(steps)
    save_checkpoint(output, made)
    found, f1 = made.calibration, made.metrics["calibration_f1"]
    write_json(
        json_file,
        {
            "checkpoint": str(with_suffix(output)),
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
        say(f"checkpoint: {with_suffix(output)}")


def _data(path: Path, classes: tuple[str, ...]) -> ImageLevelDataset | Path:
    from napari_construct.data.image_level import load_dataset

    return path if (path / "img").is_dir() else load_dataset(path, class_names=classes)
