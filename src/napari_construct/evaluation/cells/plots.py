"""The plots of a report on students."""

from __future__ import annotations

from typing import Final

from napari_construct.classes import OKABE_ITO
from napari_construct.evaluation.cells.scores import CURVE, curve_names
from napari_construct.evaluation.report.axes import AFTER, BEFORE, HEIGHT, LEFT, TOP, draw_bar, legend, scale
from napari_construct.evaluation.report.svg import Drawing, shortened
from napari_construct.evaluation.report.table import Content, percent

TEACHER: Final = OKABE_ITO[2]
_COLOURS: Final = {"baseline": BEFORE, "student": AFTER}
_WORDS: Final = {"baseline": "no KD", "student": "student"}


def dice_plot(content: Content) -> str:
    """Bars of every student's Dice, with its baseline before it and the teacher last, with intervals."""
    groups = []
    for row in content["rows"]:
        if row["kind"] != "student":
            continue
        base = row["baseline"]
        before = [r for r in content["rows"] if base and r["name"] == base["name"]]
        groups.append((row["name"], [*before, row]))
    if content["teacher"] is not None:
        groups.append(("teacher", [content["teacher"] | {"kind": "teacher"}]))
    width, gap = 30.0, 34.0
    wide = max(90.0, 2 * width + gap)
    d = Drawing(LEFT + max(wide * len(groups), 300) + 10, TOP + HEIGHT + 34, "Dice of the foreground")
    scale(d, "Dice, %")
    for i, (name, bars) in enumerate(groups):
        middle = LEFT + (i + 0.5) * wide
        for j, found in enumerate(bars):
            x = middle + (j - len(bars) / 2) * width
            value, colour = found["pooled"]["dice"], _COLOURS.get(found["kind"], TEACHER)
            hint = f"{found['name']}: {percent(value)} %"
            draw_bar(d, x, width - 3, value, found["intervals"]["dice"], colour, hint)
        d.text(middle, TOP + HEIGHT + 18, shortened(name, int(wide // 7)), anchor="middle")
    kinds = [k for k in ("baseline", "student") if any(row["kind"] == k for row in content["rows"])]
    entries = [(_WORDS[k], _COLOURS[k]) for k in kinds]
    legend(d, [*entries, *([("teacher", TEACHER)] if content["teacher"] is not None else [])])
    return d.markup()


def curve_plot(content: Content) -> str:
    """AP against IoU, one line for every row and the teacher."""
    side, names = 300.0, curve_names()
    d = Drawing(LEFT + side + 20, TOP + HEIGHT + 44, "Average precision by IoU")
    scale(d, "AP, %", width=side)
    for i, at in enumerate(names):
        d.text(LEFT + side * i / (len(names) - 1), TOP + HEIGHT + 16, at, anchor="middle", size=10.0)
    d.text(LEFT + side / 2, TOP + HEIGHT + 34, "IoU", anchor="middle")
    lines = [(row["name"], _COLOURS[row["kind"]], row) for row in content["rows"]]
    if content["teacher"] is not None:
        lines.append((content["teacher"]["name"], TEACHER, content["teacher"]))
    for name, colour, found in lines:
        values = [found["pooled"][CURVE][at] for at in names]
        points = [
            (LEFT + side * i / (len(names) - 1), TOP + HEIGHT * (1 - value))
            for i, value in enumerate(values)
            if value is not None
        ]
        if points:
            d.polyline(points, colour)
        for (x, y), value in zip(points, [v for v in values if v is not None], strict=True):
            d.circle((x, y), 3.0, colour, hint=f"{name}: {percent(value)} %")
    used = {colour for _, colour, _ in lines}
    known = [("no KD", BEFORE), ("student", AFTER), ("teacher", TEACHER)]
    legend(d, [(words, colour) for words, colour in known if colour in used])
    return d.markup()
