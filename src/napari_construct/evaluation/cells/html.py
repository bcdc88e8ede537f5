"""A report on students as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from napari_construct.evaluation.cells.overlays import FOUND, TRUE, CellExample
from napari_construct.evaluation.cells.plots import curve_plot, dice_plot
from napari_construct.evaluation.cells.tables import all_tables, heading
from napari_construct.evaluation.report.page import example, page, section, tiles
from napari_construct.evaluation.report.table import Content, percent, signed, spread


def html(content: Content, examples: Sequence[CellExample] = ()) -> str:
    """The whole page.

    Parameters
    ----------
    content : mapping
        Of :func:`~napari_construct.evaluation.cells.summary.summary`.
    examples : sequence of CellExample
        Pictures.
    """
    plots = {"Students": dice_plot(content), "AP by IoU": curve_plot(content)}
    sections = [_tiles(content)]
    for table in all_tables(content):
        if table.title == "Images":
            sections.append(_examples(content, examples))
        sections.append(section(table, plots.get(table.title, "")))
    return page(content, heading(content), sections)


def _tiles(content: Content) -> str:
    """Numbers of the first student."""
    row = content["rows"][0]
    std = row["std"] or {}
    found = [
        (spread(row["pooled"][key], std.get(key)), f"{words}, {row['name']}")
        for key, words in (("dice", "Dice"), ("boundary_f1", "boundary F1"), ("ap50", "AP50"))
    ]
    if row["baseline"]:
        found.append((signed(row["baseline"]["gain"]["dice"]["value"]), "gain of Dice over no KD"))
    if row["recovery"]:
        found.append((percent(row["recovery"]["value"]), "of the teacher's Dice"))
    return tiles(found)


def _examples(content: Content, examples: Sequence[CellExample]) -> str:
    if not examples:
        return ""
    keys = "".join(
        f'<span class="key" style="background:{colour}"></span>{words}'
        for colour, words in ((TRUE, "truth"), (FOUND, "student"))
    )
    name = escape(content["rows"][0]["models"][0])
    blocks = [f'<p class="note">Contours:{keys}. Student: {name}. Of large images the middle is shown.</p>']
    for which in ("worst", "median", "best"):
        of_kind = [one for one in examples if one.which == which]
        if of_kind:
            blocks.append(f"<h3>{which.capitalize()}</h3>")
        blocks += [
            example(one.name, f"Dice {percent(one.score)} %", [(w, "png", data) for w, data in one.pictures])
            for one in of_kind
        ]
    return "<h2>Worst, median and best images</h2>" + "".join(blocks)
