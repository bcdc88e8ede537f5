"""The plots of a report."""

from __future__ import annotations

from typing import Any

from napari_construct.classes import hex_of
from napari_construct.evaluation.report.axes import AFTER, BEFORE, HEIGHT, LEFT, TOP, draw_bar, legend, scale
from napari_construct.evaluation.report.svg import Drawing, shortened
from napari_construct.evaluation.report.table import Content, percent


def iou_plot(content: Content) -> str:
    """Bars of each class's IoU, predicted labels, before and after the CRF, with intervals."""
    series = [("after the CRF" if content["before_crf"] else "no CRF", AFTER, content, content["intervals"])]
    if content["before_crf"]:
        series.insert(
            0, ("before the CRF", BEFORE, content["before_crf"], content["before_crf"]["intervals"])
        )
    names = [*content["predicted"]["iou"], "mean"]
    bar = 26.0
    group = bar * len(series) + 30
    d = Drawing(LEFT + max(group * len(names), 280) + 10, TOP + HEIGHT + 40, "IoU of each class")
    scale(d, "IoU, %")
    for i, name in enumerate(names):
        x = LEFT + 15 + i * group
        for j, (what, colour, scores, intervals) in enumerate(series):
            value = _value(scores["predicted"], name, i == len(names) - 1)
            ends = _value(intervals["predicted"], name, i == len(names) - 1)
            draw_bar(d, x + j * bar, bar - 3, value, ends, colour, f"{name}, {what}: {percent(value)} %")
        middle = x + bar * len(series) / 2
        d.text(middle, TOP + HEIGHT + 18, shortened(name, int(group // 7)), anchor="middle")
    legend(d, [(what, colour) for what, colour, _, _ in series])
    return d.markup()


def confusion_plot(content: Content, column: str = "predicted") -> str:
    """Shares of each true class by predicted class, as shades."""
    found = content["confusion"]
    cell, left, top = 64.0, 110.0, 50.0
    columns = found["columns"]
    d = Drawing(
        left + cell * len(columns) + 10, top + cell * len(found["rows"]) + 10, f"Confusion matrix, {column}"
    )
    d.text(left + cell * len(columns) / 2, 14.0, f"{column} class", anchor="middle")
    for j, name in enumerate(columns):
        d.text(left + (j + 0.5) * cell, top - 8, shortened(name, 9), anchor="middle", size=11.0)
    for i, (name, counts) in enumerate(zip(found["rows"], found[column], strict=True)):
        d.text(left - 8, top + (i + 0.5) * cell + 4, shortened(name, 14), anchor="end")
        total = sum(counts)
        for j, n in enumerate(counts):
            share = n / total if total else 0.0
            shade = _blue(share)
            hint = f"true {name}, {column} {columns[j]}: {n} pixels"
            d.rect(left + j * cell, top + i * cell, cell - 2, cell - 2, shade, hint=hint)
            ink = "#fff" if share > 0.5 else "#222"
            words = percent(share) if total else "-"
            d.text(left + (j + 0.5) * cell, top + (i + 0.5) * cell + 4, words, anchor="middle", fill=ink)
    return d.markup()


def reliability_plot(content: Content, column: str = "predicted") -> str:
    """Accuracy against confidence of the top label; bars show how many pixels lie in a bin."""
    bins = content["calibration"][column]["curve"]
    side = HEIGHT
    d = Drawing(LEFT + side + 20, TOP + side + 44, f"Reliability diagram, {column} labels")
    scale(d, "accuracy, %", width=side)
    for i in range(0, 101, 20):
        d.text(LEFT + side * i / 100, TOP + side + 16, str(i), anchor="middle", size=11.0)
    d.text(LEFT + side / 2, TOP + side + 34, "confidence, %", anchor="middle")
    for b in bins:
        x, width = LEFT + side * b["from"], side * (b["to"] - b["from"])
        height = side * b["share"]
        d.rect(
            x, TOP + side - height, width - 1, height, "#DDDDDD", hint=f"{percent(b['share'])} % of pixels"
        )
    d.line((LEFT, TOP + side), (LEFT + side, TOP), "#888", dashed=True)
    points = [
        (LEFT + side * b["confidence"], TOP + side * (1 - b["accuracy"]))
        for b in bins
        if b["accuracy"] is not None
    ]
    d.polyline(points, AFTER)
    for x, y in points:
        d.circle((x, y), 3.0, AFTER)
    legend(d, [(f"{column}", AFTER), ("share of pixels", "#DDDDDD")])
    return d.markup()


def structures_plot(content: Content) -> str:
    """Per class and size: regions of the truth, and how many were found before and after the CRF."""
    found = content["structures"]
    classes = [(n, c) for n, c in found["classes"].items() if any(c["true_regions"])]
    if not classes:
        return ""
    bar, gap, sizes = 14.0, 16.0, found["sizes"]
    panel = len(sizes) * (2 * bar + gap) + 30
    d = Drawing(LEFT + max(panel * len(classes), 330), TOP + HEIGHT + 58, "Small structures that were found")
    scale(d, "found, % of true regions")
    for c, (name, counts) in enumerate(classes):
        left = LEFT + 10 + c * panel
        for i, size in enumerate(sizes):
            x, n = left + i * (2 * bar + gap), counts["true_regions"][i]
            d.text(x + bar, TOP + HEIGHT + 15, _least(size), anchor="middle", size=11.0)
            d.text(x + bar, TOP + HEIGHT + 28, f"n={n}", anchor="middle", size=9.0, fill="#666")
            for j, (key, colour) in enumerate((("found_before_crf", BEFORE), ("found_after_crf", AFTER))):
                share = counts[key][i] / n if n else None
                hint = f"{name}, {size} px: {counts[key][i]} of {n}"
                draw_bar(d, x + j * bar, bar - 1, share, None, colour, hint)
        middle = left + len(sizes) * (2 * bar + gap) / 2
        d.text(middle, TOP + HEIGHT + 48, f"{shortened(name, 14)}, area in px from", anchor="middle")
    legend(d, [("before the CRF", BEFORE), ("after the CRF", AFTER)])
    return d.markup()


def _least(size: str) -> str:
    """Least area of a bin, short: 16, 1k."""
    least = int(size.rstrip("+").split("-")[0])
    return f"{least // 1024}k" if least >= 1024 else str(least)


def _value(column: Content, name: str, mean: bool) -> Any:
    return column["miou"] if mean else column["iou"][name]


def _blue(share: float) -> str:
    """From white to blue."""
    dark = (0, 90, 150)
    return hex_of(round(255 + share * (c - 255)) for c in dark)
