"""``napari-construct evaluate``: scores on images with masks, predicted and oracle labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli import _options as options
from napari_construct.cli._output import STDOUT, check_json, write_json
from napari_construct.cli._progress import progress_bars

if TYPE_CHECKING:
    from napari_construct.evaluation.report import EvaluationReport


def evaluate(
    images: Annotated[Path, typer.Argument(help="Folder of images.")],
    masks: Annotated[
        Path, typer.Argument(help="Folder of masks with the same names: value 0 is the first class.")
    ],
    model: options.Model = options.DEFAULT_MODEL,
    ignore: Annotated[
        list[int] | None,
        typer.Option("--ignore", min=0, max=255, help="Mask value to leave out of scores; may be repeated."),
    ] = None,
    six_views: options.SixViews = False,
    crf: options.Crf = True,
    tile: options.Tile = options.DEFAULT_TILE,
    overlap: options.Overlap = options.DEFAULT_OVERLAP,
    mpp: options.Mpp = None,
    min_confidence: options.MinConfidence = 0.0,
    device: options.Device = "auto",
    encoder_weights: options.EncoderWeights = None,
    json_file: options.JsonFile = None,
) -> None:
    """Score a model on a folder of images and a folder of masks.

    Two columns: "predicted", where the model decides which classes an image holds, and "oracle", where
    the classes of the mask are given. Images that cannot be read are named and left out; the exit code
    is then 1.
    """
    from napari_construct.data.masks import pair_by_stem
    from napari_construct.evaluation.evaluate import evaluate_steps
    from napari_construct.inference.model import load_model

    settings = options.settings_from(
        six_views=six_views,
        crf=crf,
        tile=tile,
        overlap=overlap,
        mpp=mpp,
        min_confidence=min_confidence,
        device=device,
    )
    check_json(json_file)
    pairs = pair_by_stem(images, masks)
    predictor = load_model(model, device=device, encoder_weights=encoder_weights)
    with progress_bars() as bars:
        for notice in pairs.notices:
            bars.say(f"note: {notice}")
        report = bars.follow(evaluate_steps(pairs, predictor, settings, ignore=ignore or ()))
    write_json(json_file, report.to_dict())
    if json_file != STDOUT:
        print_scores(report)
    if report.failures:
        typer.echo(f"{len(report.failures)} image(s) not scored", err=True)
        raise typer.Exit(1)


def print_scores(report: EvaluationReport) -> None:
    """A table: one row a class, IoU and Dice of both columns in percent, then the means."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(report.images)} image(s), scores in percent")
    table.add_column("class")
    for column in ("predicted", "oracle"):
        table.add_column(f"{column} IoU", justify="right")
        table.add_column(f"{column} Dice", justify="right")
    predicted, oracle = report.predicted, report.oracle
    for i, name in enumerate(report.classes.names):
        row = (predicted["iou"][i], predicted["dice"][i], oracle["iou"][i], oracle["dice"][i])
        table.add_row(name, *map(_percent, row))
    table.add_section()
    means = (predicted["miou"], predicted["mdice"], oracle["miou"], oracle["mdice"])
    table.add_row("mean", *map(_percent, means))
    table.add_row("weighted", _percent(predicted["fwiou"]), "", _percent(oracle["fwiou"]), "")
    Console().print(table)


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.2f}"  # noqa: PLR0124 - nan is not itself
