"""A report as one HTML page: tables, plots and pictures inside, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from napari_construct.classes import ClassTable, hex_of
from napari_construct.evaluation.report.markdown import heading
from napari_construct.evaluation.report.page import example as picture_row
from napari_construct.evaluation.report.page import page, section, tiles
from napari_construct.evaluation.report.plots import (
    confusion_plot,
    iou_plot,
    reliability_plot,
    structures_plot,
)
from napari_construct.evaluation.report.table import Content, Table, interval, percent, spread
from napari_construct.evaluation.report.tables import all_tables
from napari_construct.evaluation.scores.examples import LEFT_OUT, RIGHT, WRONG, Example


def html(
    content: Content,
    classes: ClassTable,
    worst: Sequence[Example] = (),
    best: Sequence[Example] = (),
    extra: tuple[Table, ...] = (),
) -> str:
    """The whole page.

    Parameters
    ----------
    content : mapping
        Of :func:`~napari_construct.evaluation.report.summary.summary`.
    classes : ClassTable
        Colours of the legend.
    worst, best : sequence of Example
        Pictures.
    extra : tuple of Table
        Shown first, for example those of a preset.
    """
    plots = {
        "Scores": iou_plot(content),
        "Calibration of probabilities": reliability_plot(content),
        "Confusion, predicted labels": confusion_plot(content),
        "Small structures": structures_plot(content) if content["structures"] else "",
    }
    sections = [_tiles(content)]
    for table in (*extra, *all_tables(content)):
        if table.title == "Images":
            sections.append(_examples(classes, worst, best))
        sections.append(section(table, plots.get(table.title, "")))
    return page(content, heading(content), sections)


def _tiles(content: Content) -> str:
    """The five numbers that are asked for first."""
    std = content["std"] or {"predicted": {}, "oracle": {}}
    presence, ece = content["presence"], content["calibration"]["predicted"]["ece"]
    found = [
        (spread(content["predicted"]["miou"], std["predicted"].get("miou")), "mIoU, predicted labels"),
        (spread(content["oracle"]["miou"], std["oracle"].get("miou")), "mIoU, oracle labels"),
        (interval(content["intervals"]["predicted"]["miou"]), "predicted mIoU over images"),
        (percent(presence["patches"]["macro_f1"]), "macro F1 of presence, patches"),
        (percent(ece), "calibration error"),
    ]
    return tiles(found)


def _examples(classes: ClassTable, worst: Sequence[Example], best: Sequence[Example]) -> str:
    if not worst and not best:
        return ""
    keys = "".join(
        f'<span class="key" style="background:{tissue.colour}"></span>{escape(tissue.name)}'
        for tissue in classes
    )
    left_out, right, wrong = (
        f'<span class="key" style="background:{hex_of(rgb)}"></span>' for rgb in (LEFT_OUT, RIGHT, WRONG)
    )
    legend = (
        f'<p class="note">Truth and prediction:{keys}{left_out}left out or unlabelled. '
        f"Errors:{right}right{wrong}wrong. Predicted labels of the first model.</p>"
    )
    blocks = [
        f"<h3>{title}</h3>" + "".join(map(_example, examples))
        for title, examples in (("Worst", worst), ("Best", best))
        if examples
    ]
    return f"<h2>Worst and best images</h2>{legend}" + "".join(blocks)


def _example(example: Example) -> str:
    pictures = (
        ("image", "jpeg", example.image),
        ("truth", "png", example.truth),
        ("prediction", "png", example.prediction),
        ("errors", "png", example.errors),
    )
    return picture_row(example.name, f"IoU of its classes {percent(example.score)} %", pictures)
