"""A report as one HTML page: tables, plots and pictures inside, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape

from napari_construct.classes import ClassTable, hex_of
from napari_construct.evaluation.report.markdown import heading, remarks
from napari_construct.evaluation.report.plots import (
    confusion_plot,
    iou_plot,
    reliability_plot,
    structures_plot,
)
from napari_construct.evaluation.report.tables import Content, Table, all_tables, interval, percent, spread
from napari_construct.evaluation.scores.examples import LEFT_OUT, RIGHT, WRONG, Example

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1100px;
       margin: 2rem auto; padding: 0 1rem; }
.key:first-child { margin-left: .3rem }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.4rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0 }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #eee }
th { vertical-align: bottom; border-bottom: 2px solid #999; font-weight: 600 }
th:first-child, td:first-child { text-align: left }
tr.sum td { font-weight: 600; background: #f6f6f6 }
.scroll, figure { overflow-x: auto } .note { color: #555; max-width: 52rem; font-size: .9rem }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1rem 0 }
.tile { border: 1px solid #ddd; border-radius: 6px; padding: .5rem 1rem; min-width: 9rem }
.tile b { display: block; font-size: 1.5rem } .tile span { color: #555; font-size: .85rem }
.row { display: flex; flex-wrap: wrap; gap: 1.4rem } figure { margin: .6rem 0 }
.example { display: flex; flex-wrap: wrap; gap: .6rem; margin-bottom: 1.2rem }
.example figure { margin: 0; width: 24%; min-width: 180px; overflow: visible }
.example img { width: 100%; box-sizing: border-box; border: 1px solid #ddd; image-rendering: auto }
figcaption { font-size: .85rem; color: #555 } .name { font-weight: 600; word-break: break-all }
.key { display: inline-block; width: .8rem; height: .8rem; border: 1px solid #999; margin: 0 .3rem 0 .8rem }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; font-size: .8rem }
"""


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
        sections.append(_section(table, plots.get(table.title, "")))
    for title, lines in remarks(content):
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        sections.append(f"<h2>{title}</h2><ul>{items}</ul>")
    record = escape(json.dumps(content["record"], indent=2, ensure_ascii=False))
    sections.append(
        f"<h2>How it was made</h2><details><summary>Record</summary><pre>{record}</pre></details>"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head><body>"
        f"<h1>Evaluation</h1><p>{escape(heading(content))}</p>" + "\n".join(sections) + "</body></html>\n"
    )


def html_table(table: Table) -> str:
    """A table without its title."""
    plain = len(table.rows) - table.strong
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.columns)
    body = "".join(
        f"<tr{'' if i < plain else ' class=sum'}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for i, row in enumerate(table.rows)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(table: Table, plot: str) -> str:
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    figure = f"<figure>{plot}</figure>" if plot else ""
    return f"<h2>{escape(table.title)}</h2>{html_table(table)}{note}{figure}"


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
    tiles = "".join(
        f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}, %</span></div>'
        for number, what in found
    )
    return f'<div class="tiles">{tiles}</div>'


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
    figures = "".join(
        f'<figure><img alt="{what} of {escape(example.name)}" '
        f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}"><figcaption>{what}</figcaption></figure>'
        for what, kind, data in pictures
    )
    return (
        f'<p class="name">{escape(example.name)}: IoU of its classes {percent(example.score)} %</p>'
        f'<div class="example">{figures}</div>'
    )
