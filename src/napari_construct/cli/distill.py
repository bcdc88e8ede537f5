"""``napari-construct distill``: train a student on one channel from a teacher that sees them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._channel_files import ChannelFiles
from napari_construct.cli._interrupt import interruptible
from napari_construct.cli._output import STDOUT, check_json, say, write_json
from napari_construct.cli._teacher import TeacherForeground, load_named
from napari_construct.cli._training import numbers, training_target, with_losses
from napari_construct.data.channels.file_names import typed_channel_files
from napari_construct.events.progress import progress_bars
from napari_construct.reading.name_lists import parse_names

if TYPE_CHECKING:
    from napari_construct.crossmodal.config import DistilConfig
    from napari_construct.crossmodal.protocol import Teacher
    from napari_construct.data.cells.dataset import CellDataset
    from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint


def distill(
    data: Annotated[
        Path,
        typer.Argument(
            help="Images of several channels: a folder of (OME-)TIFF, with or without label images, also "
            "with a file or a folder for each channel; a TissueNet file (.npz); a BBBC038 folder."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Student to write, FILE.construct.")],
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="sam_vit_h, sam_vit_l, sam_vit_b, cellsam, cellpose_sam; a .construct file of "
            "--train-teacher; or a folder with probability maps or label images of any tool.",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="File of the teacher's weights, where it needs one.")
    ] = None,
    teacher_foreground: TeacherForeground = None,
    student: Annotated[
        str | None,
        typer.Option(
            "--student",
            help="swin_tiny, resnet18, efficientnet_b0, mobilenet_v3 or lite0; default resnet18.",
        ),
    ] = None,
    pretrained: Annotated[
        bool | None,
        typer.Option(
            "--pretrained/--random", help="Start the encoder from weights of ImageNet; default random."
        ),
    ] = None,
    val: Annotated[
        Path | None, typer.Option("--val", help="Images to score the student on, of the same kind as DATA.")
    ] = None,
    val_share: Annotated[
        float,
        typer.Option(
            "--val-share", min=0, max=0.9, help="Without --val: share of DATA to leave out and score on."
        ),
    ] = 0.15,
    channel: Annotated[
        str | None,
        typer.Option("--channel", help="The student's channel, by name or number from 0; default 0."),
    ] = None,
    teacher_channels: Annotated[
        str | None,
        typer.Option(
            "--teacher-channels",
            help="Nuclear and membrane channel for the teacher, a,b; default the first two.",
        ),
    ] = None,
    channel_files: ChannelFiles = None,
    groups: Annotated[
        str | None,
        typer.Option("--groups", help="Regular expression that finds the patient or slide in file names."),
    ] = None,
    terms: Annotated[
        str | None,
        typer.Option("--terms", help="Terms of the objective: probability,boundary,truth (default all)."),
    ] = None,
    no_kd: Annotated[
        bool, typer.Option("--no-kd", help="The baseline: the same without a teacher, on drawn cells alone.")
    ] = False,
    train_teacher: Annotated[
        bool,
        typer.Option(
            "--train-teacher", help="Train a teacher instead: a U-Net on all channels, on drawn cells."
        ),
    ] = False,
    truth_images: Annotated[
        int | None,
        typer.Option("--truth-images", min=1, help="Use the drawn cells of this many images only."),
    ] = None,
    labels: Annotated[
        str,
        typer.Option("--labels", help="Cells of a TissueNet file: whole_cell or nuclear."),
    ] = "whole_cell",
    mpp: Annotated[
        float | None,
        options.mpp_option("Micrometres per pixel of the images, where their files do not say it."),
    ] = None,
    student_mpp: Annotated[
        float | None,
        typer.Option(
            "--student-mpp", min=0, help="Micrometres per pixel at which the student works; default theirs."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps; default 1500.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Views per step.")] = None,
    patch: Annotated[
        int | None, typer.Option("--patch", min=32, help="Side of a view in pixels; a multiple of 32.")
    ] = None,
    settings_json: Annotated[
        str | None,
        typer.Option(
            "--settings", metavar="JSON", help="More settings as JSON, or a JSON file (DistilConfig)."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Random seed. Equal seeds give equal runs on a CPU.")
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep what the teacher says for other runs.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.")] = False,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="With --resume: train no further, make a finished model of the run."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing model.")] = False,
    device: options.Device = None,
    json_file: options.JsonFile = None,
) -> None:
    """Distil a student that needs one channel from a teacher that sees several.

    The teacher is shown every image once. Drawn cells are used as well where there are any. Ctrl-C stops
    after the current step and stores the state; the same command with --resume continues.
    """
    from napari_construct.crossmodal.distil import distil_steps
    from napari_construct.crossmodal.teachers.cached import open_cache
    from napari_construct.data.cells.hold_out import hold_out
    from napari_construct.data.cells.open_cells import open_cells

    typed = options.given(
        student=student,
        pretrained=pretrained,
        channels=None if channel is None else (_channel(channel),),
        teacher_channels=_channels(teacher_channels),
        terms=None if terms is None else parse_names(terms),
        truth_images=truth_images,
        mpp=student_mpp,
        steps=steps,
        batch_size=batch_size,
        patch=patch,
        seed=seed,
    )
    target = training_target(output, resume=resume, overwrite=overwrite, finish=finish)
    check_json(json_file, data, val)
    how: dict[str, Any] = {
        "mpp": mpp,
        "labels": labels,
        "group_pattern": groups,
        "channel_files": typed_channel_files(channel_files),
    }
    opened = open_cells(data, **how)
    config = _settings(typed, settings_json, opened, no_kd=no_kd, train_teacher=train_teacher)
    dataset: CellDataset = opened
    validation: CellDataset | None
    if val is None:
        dataset, validation = hold_out(opened, val_share)
    else:
        validation = open_cells(val, **how)
    with progress_bars() as bars:
        if validation is None:
            bars.say("note: no images are left out, so there will be no scores; name some with --val")
        steps_of_run = distil_steps(
            dataset,
            _teacher(teacher, weights, device, teacher_foreground) if config.uses_teacher else None,
            config,
            val=validation,
            output=target,
            resume=resume,
            overwrite=overwrite,
            device=device or "auto",
            cache=open_cache() if cache else None,
            stop=(lambda: True) if finish else None,
        )
        checkpoint = bars.follow(with_losses(interruptible(steps_of_run), bars, "round"))
    _report(checkpoint, target, json_file)


def _settings(
    typed: dict[str, Any], text: str | None, dataset: CellDataset, *, no_kd: bool, train_teacher: bool
) -> DistilConfig:
    from napari_construct.cli._merged import merged
    from napari_construct.crossmodal.config import NO_KD, DistilConfig
    from napari_construct.exceptions import ConfigurationError

    if (no_kd or train_teacher) and "terms" in typed:
        raise ConfigurationError(
            "expected --terms, --no-kd or --train-teacher, got several of them; keep one"
        )
    if no_kd or train_teacher:
        typed["terms"] = NO_KD
    if train_teacher:
        typed["channels"] = typed.get("teacher_channels") or tuple(range(len(dataset.channels)))
    return merged(DistilConfig(), typed, text)


def _teacher(name: str | None, weights: Path | None, device: str | None, foreground: str | None) -> Teacher:
    from napari_construct.exceptions import ConfigurationError

    if name is None:
        raise ConfigurationError(
            "expected a teacher, got none; name one with --teacher, train one with --train-teacher, or leave "
            "it out with --no-kd"
        )
    return load_named(name, weights, device, foreground)


def _channel(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _channels(text: str | None) -> tuple[int | str, ...] | None:
    return None if text is None else tuple(_channel(name) for name in parse_names(text))


def _report(checkpoint: ChannelCheckpoint, target: Path, json_file: str | None) -> None:
    found = {
        "checkpoint": str(target),
        "channels": list(checkpoint.channels),
        "metrics": checkpoint.metrics,
        "history": checkpoint.training.get("history", []),
    }
    write_json(json_file, found)
    if json_file != STDOUT:
        ended = checkpoint.training.get("stopped")
        early = f" (stopped after step {ended['step']} of {ended['steps']})" if ended else ""
        say(f"student{early}: {numbers(checkpoint.metrics)}")
        say(f"checkpoint: {target}")
