"""``napari-construct evaluate``: score models on images with masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._ablate import run_ablation
from napari_construct.cli._cells import refuse_options
from napari_construct.cli._channel_files import ChannelFiles
from napari_construct.cli._evaluate_cells import (
    are_cell_models,
    evaluate_cell_models,
    refuse_cell_options,
    refuse_masks,
)
from napari_construct.cli._output import check_json, say
from napari_construct.cli._teacher import TeacherForeground
from napari_construct.cli._text import ReportFiles, write_report
from napari_construct.data.channels.file_names import typed_channel_files
from napari_construct.events.progress import progress_bars
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.names import named

if TYPE_CHECKING:
    from napari_construct.evaluation.report.report import EvaluationReport
    from napari_construct.evaluation.report.table import Table


def evaluate(
    images: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder of images, or a folder that contains img and mask. For students: images with drawn "
            "cells, as distill takes them.",
            show_default=False,
        ),
    ],
    masks: Annotated[
        Path | None,
        typer.Argument(help="Folder of masks with matching file names."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model name, or path of a .construct file. Repeat it for several seeds of one recipe to get "
            f"mean and standard deviation. Default {DEFAULT_MODEL}.",
        ),
    ] = None,
    ignore: Annotated[
        list[int] | None,
        typer.Option("--ignore", min=0, max=255, help="Mask value to exclude from scores; may be repeated."),
    ] = None,
    first_class: options.FirstClass = None,
    mask_order: options.MaskOrder = None,
    preset: Annotated[
        Literal["bcss"] | None,
        typer.Option(
            "--preset", help="bcss: ignore 4, 0.25 um per pixel, print Tables 2 and 3 of the paper."
        ),
    ] = None,
    settings_json: options.SettingsJson = None,
    views: options.Views = None,
    crf: options.CrfOfModel = None,
    tile: options.Tile = None,
    overlap: options.Overlap = None,
    mpp: options.Mpp = None,
    min_confidence: options.MinConfidence = None,
    device: options.Device = None,
    encoder_weights: options.EncoderWeights = None,
    any_encoder: options.AnyEncoder = False,
    json_file: options.JsonFile = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the tables as Markdown.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Write an HTML page with tables, plots and example images."
        ),
    ] = None,
    ablate: Annotated[
        str | None,
        typer.Option(
            "--ablate",
            metavar="A,B,...",
            help="Train and compare variants of a recipe: struct, sim, fusion, text, crf, views. Each "
            "variant changes one part. Needs --train and --output.",
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="With --ablate: patches with image-level labels.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="With --ablate: folder for models and scores; finished ones are reused."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="With --ablate: seeds per variant.")] = 3,
    config: Annotated[
        Path | None, typer.Option("--config", help="With --ablate: training settings, a YAML or JSON file.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="With --ablate: distillation teacher. With students: their teacher, as in distill; its "
            "scores stand beside theirs.",
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline",
            help="With students: one that was trained without a teacher (distill --no-kd); may be repeated.",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="With students: file of the teacher's weights.")
    ] = None,
    teacher_channels: Annotated[
        str | None,
        typer.Option("--teacher-channels", help="With students: the teacher's channels, a,b."),
    ] = None,
    teacher_foreground: TeacherForeground = None,
    channel: options.Channel = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", help="With students: cells of a TissueNet file, whole_cell (default) or nuclear."
        ),
    ] = None,
    channel_files: ChannelFiles = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--classes",
            help="With --ablate: class names in the order of the mask values, a,b,c; may be repeated. Quote "
            "a name that holds a comma.",
        ),
    ] = None,
) -> None:
    """Score models on a folder of images and a folder of masks.

    The report has two columns. "predicted": the model predicts class presence. "oracle": class presence
    comes from the mask. Unreadable images are named and excluded; the exit code is then 1.

    Students on one channel (distill) are scored on cells: Dice, IoU, boundary F1 and average precision. Seeds
    of one configuration are one row; --baseline and --teacher stand beside it.

    With --ablate the command trains and compares variants of a recipe, seed by seed. Ctrl-C stops after the
    current step. Run the same command to resume.
    """
    from napari_construct.data.masks import find_pairs
    from napari_construct.evaluation.evaluate import evaluate_steps
    from napari_construct.evaluation.scores.models import ScoredModels

    files = ReportFiles(json_file, markdown_file, html_file)
    of_cells = {
        "baseline": baseline,
        "weights": weights,
        "teacher_channels": teacher_channels,
        "teacher_foreground": teacher_foreground,
        "channel": channel,
        "labels": labels,
        "channel_files": channel_files,
    }
    if are_cell_models(model or [DEFAULT_MODEL], baseline or []):
        of_tissue = options.given(
            ignore=ignore,
            first_class=first_class,
            mask_order=mask_order,
            preset=preset,
            views=views,
            crf=crf,
            min_confidence=min_confidence,
            encoder_weights=encoder_weights,
            any_encoder=any_encoder or None,
            ablate=ablate,
            train=train,
            output=output,
            config=config,
            classes=classes,
        )
        refuse_options((model or [DEFAULT_MODEL])[0], of_tissue)
        refuse_masks(images, masks)
        scored = evaluate_cell_models(
            images,
            model or [],
            baseline or [],
            {"tile": tile, "overlap": overlap, "channel": channel},
            text=settings_json,
            mpp=mpp,
            labels=labels,
            channel_files=typed_channel_files(channel_files),
            teacher=teacher,
            weights=weights,
            teacher_channels=teacher_channels,
            teacher_foreground=teacher_foreground,
            device=device,
            files=files,
        )
        _refuse_failures(scored.failures)
        return
    refuse_cell_options((model or [DEFAULT_MODEL])[0], of_cells)
    ignored, base, first = list(ignore or ()), None, options.first_class_of(first_class)
    if preset == "bcss":
        from napari_construct.evaluation.report.paper_tables import MPP, WHITE, check_bcss_classes
        from napari_construct.inference.settings import SegmentSettings

        ignored, base = [*ignored, WHITE], SegmentSettings(mpp=MPP)
    settings, device = options.segment_settings(
        settings_json,
        device,
        base=base,
        views=views,
        crf=crf,
        tile=tile,
        overlap=overlap,
        mpp=mpp,
        min_confidence=min_confidence,
    )
    pairs = find_pairs(images, masks)
    read = (*(path for pair in pairs for path in pair), *(model or ()), encoder_weights, config)
    check_json(json_file, *read)
    files.check(*read)
    if ablate is not None:
        _check_alone(model, preset, html_file)
        run_ablation(
            ablate,
            pairs,
            settings,
            ignored,
            first_class=first,
            mask_order=options.mask_order_of(mask_order),
            folder=train,
            output=output,
            config=config,
            teacher=teacher,
            classes=classes,
            seeds=seeds,
            device=device,
            json_file=json_file,
            markdown_file=markdown_file,
        )
        return
    models = ScoredModels(
        model or [DEFAULT_MODEL],
        device=device,
        encoder_weights=encoder_weights,
        any_encoder=any_encoder,
    )
    if preset == "bcss":
        check_bcss_classes(models.classes.names)
    with progress_bars() as bars:
        for notice in pairs.notices:
            bars.say(f"note: {notice}")
        order = options.mask_order_of(mask_order)
        steps = evaluate_steps(pairs, models, settings, ignore=ignored, first_class=first, mask_order=order)
        report = bars.follow(steps)
    extra = _preset_tables(report) if preset == "bcss" else ()
    _write(report, extra, files)
    _refuse_failures(report.failures)


def _check_alone(model: list[str] | None, preset: str | None, html_file: Path | None) -> None:
    from napari_construct.exceptions import ConfigurationError

    for value, option in ((model, "--model"), (preset, "--preset"), (html_file, "--html")):
        if value is not None:
            raise ConfigurationError(
                f"expected --ablate without {option}, got both; an ablation trains its own models and writes "
                f"--json and --markdown only, so remove {option}"
            )


def _preset_tables(report: EvaluationReport) -> tuple[Table, ...]:
    from napari_construct.evaluation.report.paper_tables import bcss_tables

    return bcss_tables(report.to_dict())


def _write(report: EvaluationReport, extra: tuple[Table, ...], files: ReportFiles) -> None:
    from napari_construct.evaluation.report.html import html
    from napari_construct.evaluation.report.markdown import heading, markdown
    from napari_construct.evaluation.report.tables import short_tables

    content = report.to_dict()
    write_report(
        content,
        files,
        markdown=lambda: markdown(content, extra),
        html=lambda: html(content, report.classes, report.worst, report.best, extra),
        said=heading(content),
        tables=(*extra, *short_tables(content)),
    )


def _refuse_failures(failures: tuple[tuple[str, str], ...]) -> None:
    """Name the images that were not scored and exit with 1."""
    if failures:
        names = [Path(image).name for image, _ in failures]
        say(f"{len(names)} image(s) not scored: {named(names)}", err=True)
        raise typer.Exit(1)
