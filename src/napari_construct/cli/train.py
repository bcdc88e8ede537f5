"""``napari-construct train``: train a model from patches with image-level labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._interrupt import interruptible
from napari_construct.cli._output import STDOUT, check_json, say, write_json
from napari_construct.cli._training import numbers, training_target, with_losses
from napari_construct.events.progress import Bars, progress_bars

if TYPE_CHECKING:
    from napari_construct.classes import ClassTable
    from napari_construct.data.image_level import ImageLevelDataset
    from napari_construct.models.checkpoints.checkpoint import Checkpoint
    from napari_construct.training.config.config import TrainingConfig


def train(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Patches: one subfolder per class, labels in file names (...[10].png), or a CSV table."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Checkpoint to write, FILE.construct.")],
    val: Annotated[
        Path | None,
        typer.Option("--val", help="Validation: a folder with img and mask, or labelled patches."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="Encoder; default lite0, which is bundled."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="Distillation teacher, or none; default structure.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Training epochs; default 20, or more for at least 400 steps."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Patches per step.")] = None,
    sampling: Annotated[
        str | None,
        typer.Option(
            "--sampling",
            help="uniform, or balanced: equal weight for classes, and for patients within a class.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups", help="Regular expression that finds the patient in file names, e.g. '(p[0-9]+)_'."
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=16, help="Side of the network input in pixels.")
    ] = None,
    mpp: Annotated[
        float | None,
        options.mpp_option("Micrometres per pixel of the patches."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--classes",
            help="Class names in the order of the mask values, a,b,c; may be repeated. Quote a name that "
            "holds a comma: '\"stroma, loose\",tumour'. Or a class table (CSV file, JSON file, or JSON). "
            "Folders and columns that are named are classes, whatever they look like.",
        ),
    ] = None,
    first_class: options.FirstClass = None,
    mask_order: options.MaskOrder = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file, YAML or JSON. Typed options override it."),
    ] = None,
    settings_json: Annotated[
        str | None,
        typer.Option(
            "--settings",
            metavar="JSON",
            help="More settings as JSON, or a JSON file. They override --config; typed options override "
            'them. Example: {"weights": {"distillation": 0}}',
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed. Equal seeds give equal runs on a CPU.")
    ] = None,
    keep_best: Annotated[
        bool | None,
        typer.Option(
            "--keep-best/--keep-last",
            help="Keep the epoch with the best validation score, or the last epoch (default).",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after this many validations without a better score."),
    ] = None,
    average_from: Annotated[
        float | None,
        typer.Option("--average-from", help="Average the weights after this share of the steps, e.g. 0.3."),
    ] = None,
    feature_cache: Annotated[
        bool | None,
        typer.Option(
            "--feature-cache/--no-feature-cache",
            help="Compute frozen features once, store them on disk and train on them; default off.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", help="auto, float32, bfloat16 or float16; default auto, depends on the device."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="With --resume: train no further, make a finished model of the interrupted run."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing checkpoint.")] = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Train a model from patches with image-level labels (no masks needed).

    The command checks the dataset first. Validation masks are used for scores and calibration, not for
    training. Ctrl-C stops after the current step and stores the state. Run the same
    command with --resume to continue, or with --resume --finish to keep the model as it is then. Several
    GPUs: accelerate launch -m napari_construct train ...
    """
    from napari_construct.training.loop.train import train_steps
    from napari_construct.training.processes import is_main_process

    typed = options.given(
        epochs=epochs,
        batch_size=batch_size,
        image_size=image_size,
        patch_mpp=mpp,
        seed=seed,
        sampling=sampling,
        group_pattern=groups,
        keep=None if keep_best is None else "best" if keep_best else "last",
        patience=patience,
        average_from=average_from,
        feature_cache=feature_cache,
        precision=precision,
    )
    typed |= options.given_first_class(first_class)
    typed |= options.given(mask_order=options.mask_order_of(mask_order))
    network = options.given(encoder=encoder) | options.given_teacher(teacher)
    settings = _settings(config, typed | {"model": network}, settings_json)
    target = training_target(output, resume=resume, overwrite=overwrite, finish=finish)
    check_json(json_file)
    table, dataset = _dataset(folder, classes)
    validation = _validation(val, dataset)
    main = is_main_process()
    with progress_bars() as bars:
        if main:
            if not resume:
                _check(dataset, bars, quiet=json_file == STDOUT)
            _say_classes(table, bars)
            if not resume:
                _say_order(dataset, validation, settings, bars)
        steps = train_steps(
            dataset,
            settings,
            classes=table,
            val=validation,
            output=target,
            resume=resume,
            overwrite=overwrite,
            device=device or "auto",
            stop=(lambda: True) if finish else None,
        )
        checkpoint = bars.follow(with_losses(interruptible(steps), bars))
    if main:
        _report(checkpoint, target, json_file)


def _settings(path: Path | None, typed: dict[str, Any], text: str | None = None) -> TrainingConfig:
    from napari_construct.cli._merged import merged
    from napari_construct.training.config.config import TrainingConfig

    return merged(TrainingConfig() if path is None else TrainingConfig.load(path), typed, text)


def _dataset(folder: Path, classes: list[str] | None) -> tuple[ClassTable, ImageLevelDataset]:
    """Class table and patches; the model uses the class order of the table."""
    from napari_construct.classes import ClassTable
    from napari_construct.data.image_level import load_dataset

    if not classes:
        dataset = load_dataset(folder)
        return ClassTable.from_names(dataset.class_names), dataset
    table = options.class_table(classes)
    return table, load_dataset(folder, class_names=table.names)


def _validation(val: Path | None, dataset: ImageLevelDataset) -> ImageLevelDataset | Path | None:
    from napari_construct.data.image_level import load_dataset
    from napari_construct.data.masks import holds_masks

    if val is None or holds_masks(val):
        return val
    return load_dataset(val, class_names=dataset.class_names)


def _check(dataset: ImageLevelDataset, bars: Bars, *, quiet: bool) -> None:
    """Read every file before training.

    Raises
    ------
    DatasetError
        If a file cannot be read.
    """
    from napari_construct.data.dataset_check import check_steps
    from napari_construct.exceptions import DatasetError

    report = bars.follow(check_steps(dataset))
    if quiet:
        bars.say(str(report))
    else:
        say(str(report))
    if not report.ok:
        names = ", ".join(name for name, _ in report.unreadable[:5])
        raise DatasetError(
            f"expected readable patches, got {len(report.unreadable)} unreadable ({names}); repair or remove "
            "them"
        )


def _say_classes(table: ClassTable, bars: Bars) -> None:
    """Say which number is which class, so that a wrong order is noticed early."""
    bars.say("classes, in the order of the model outputs and mask values:")
    for number, name in enumerate(table.names):
        bars.say(f"  {number} -> {name}")


def _say_order(
    dataset: ImageLevelDataset,
    val: ImageLevelDataset | Path | None,
    settings: TrainingConfig,
    bars: Bars,
) -> None:
    """Say where the masks seem to number the classes otherwise, before anything is trained."""
    from napari_construct.data.class_order import masks_order_steps
    from napari_construct.data.masks import find_pairs
    from napari_construct.reading.name_lists import names_as_text

    if not isinstance(val, Path) or settings.mask_order is not None:
        return
    pairs = list(find_pairs(val, inside=("",)))
    found = bars.follow(masks_order_steps(dataset, pairs, settings.first_class))
    if found is not None:
        remedy = f"--mask-order {names_as_text(found.order)}"
        bars.say(f"note: {found.sentence(dataset.class_names)}; if so, add {remedy}")


def _report(checkpoint: Checkpoint, target: Path, json_file: str | None) -> None:
    write_json(
        json_file,
        {
            "checkpoint": str(target),
            "classes": list(checkpoint.classes.names),
            "metrics": checkpoint.metrics,
            "history": checkpoint.training.get("history", []),
        },
    )
    if json_file != STDOUT:
        ended = checkpoint.training.get("stopped")
        early = f" (stopped after step {ended['step']} of {ended['steps']})" if ended else ""
        say(f"epoch {checkpoint.training['epoch']}{early}: {numbers(checkpoint.metrics)}")
        say(f"checkpoint: {target}")
