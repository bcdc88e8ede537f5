"""The tables of a report, as text; command line, Markdown and HTML show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_construct.evaluation.report.table import Content, Table, interval, percent, signed, spread
from napari_construct.metrics.bootstrap import LEAST_IMAGES


def scores_table(content: Content, *, intervals: bool = True) -> Table:
    """IoU and Dice of both columns; of the IoU, the interval beside it or, of the mean alone, in the note."""
    std = content["std"] or {"predicted": {}, "oracle": {}}

    def cells(iou: str, dice: str | None, name: str | None) -> list[str]:
        row = []
        for column in ("predicted", "oracle"):
            row.append(spread(_at(content[column], iou, name), _at(std[column], iou, name)))
            if intervals:
                row.append(interval(_at(content["intervals"][column], iou, name)))
            value = None if dice is None else _at(content[column], dice, name)
            deviation = None if dice is None else _at(std[column], dice, name)
            row.append("" if dice is None else spread(value, deviation))
        return row

    rows = [(name, *cells("iou", "dice", name)) for name in content["predicted"]["iou"]]
    rows += [("mean", *cells("miou", "mdice", None)), ("weighted", *cells("fwiou", None, None))]
    level = f"{100 * content['intervals']['level']:.0f} %"
    measures = ("IoU", f"IoU, {level}", "Dice") if intervals else ("IoU", "Dice")
    heads = [f"{c} {h}" for c in ("predicted", "oracle") for h in measures]
    note = (
        "Percent. Predicted: the model predicts which classes are present. Oracle: the classes present in "
        "the mask are given, as in published tables. Weighted: IoU weighted by class frequency."
    )
    if content["std"]:
        note += f" ±: standard deviation over {len(content['models'])} models."
    ends = content["intervals"]["predicted"]["miou"]
    if ends is None:
        note += f" {level} intervals need at least {LEAST_IMAGES} images."
    elif intervals:
        note += f" {level}: bootstrap over images."
    else:
        note += f" Mean predicted IoU, {level} over images: {interval(ends)}."
    return Table("Scores", ("class", *heads), tuple(rows), note, strong=2)


def crf_table(content: Content) -> Table | None:
    """IoU before and after the CRF; None without CRF."""
    before = content["before_crf"]
    if before is None:
        return None
    rows = []
    for name in (*content["predicted"]["iou"], None):
        row = ["mean" if name is None else name]
        for column in ("predicted", "oracle"):
            key = "miou" if name is None else "iou"
            pair = _at(before[column], key, name), _at(content[column], key, name)
            change = None if None in pair else pair[1] - pair[0]
            row += [percent(pair[0]), percent(pair[1]), signed(change)]
        rows.append(tuple(row))
    gain = before["gain"]["predicted"]["interval"]
    note = "IoU in percent."
    if gain is not None:
        note += f" Change of the mean, predicted labels: {signed(gain[0])} to {signed(gain[1])} over images."
    heads = [f"{c} {h}" for c in ("predicted", "oracle") for h in ("before", "after", "change")]
    return Table("Before and after the CRF", ("class", *heads), tuple(rows), note, strong=1)


def presence_table(content: Content) -> Table:
    """Precision, recall and F1 of presence, in images and in patches."""
    found = content["presence"]
    std = found["std"] or {"images": {}, "patches": {}}
    rows = [
        (
            name,
            *(
                percent(found[where][measure][name])
                for where in ("images", "patches")
                for measure in ("precision", "recall", "f1")
            ),
        )
        for name in content["predicted"]["iou"]
    ]
    macro = [
        cell
        for where in ("images", "patches")
        for cell in ("", "", spread(found[where]["macro_f1"], std[where].get("macro_f1")))
    ]
    heads = [f"{where} {h}" for where in ("image", "patch") for h in ("precision", "recall", "F1")]
    note = (
        f"Percent. {found['images']['n']} image(s), {found['patches']['n']} patches of the training size, "
        "cut from the images. A class is present in a patch if it covers at least "
        f"{100 * found['fraction']:.0f} % of the patch's scored pixels. It is present in an image if it is "
        "present in one of its patches. The macro F1 is the mean over the classes."
    )
    return Table("Presence of classes", ("class", *heads), (*rows, ("macro F1", *macro)), note, strong=1)


def calibration_table(content: Content) -> Table:
    """Expected calibration errors."""
    found = content["calibration"]
    std = found["std"] or {"predicted": {}, "oracle": {}}
    columns = ("predicted", "oracle")
    rows = [
        (name, *(percent(found[column]["ece_by_class"][name]) for column in columns))
        for name in content["predicted"]["iou"]
    ]
    top = [spread(found[column]["ece"], std[column].get("ece")) for column in columns]
    silent = found["predicted"]["without_probability"] or 0.0
    note = (
        "Percent, 15 bins, probabilities before the CRF. Top label: expected calibration error of the "
        "most probable class (Guo et al. 2017). Single classes: error of the class's own probability. "
        f"{percent(silent)} % of the scored pixels are background without a probability; they are left out."
    )
    heads = tuple(f"{column} error" for column in columns)
    return Table("Calibration of probabilities", ("class", *heads), (*rows, ("top label", *top)), note, 1)


def structures_table(content: Content) -> Table | None:
    """Small structures by class and size; None without CRF."""
    found = content["structures"]
    if found is None:
        return None
    rows = []
    for name, counts in found["classes"].items():
        for i, size in enumerate(found["sizes"]):
            numbers = [counts[key][i] for key in _STRUCTURES]
            if any(numbers):
                rows.append((name, size, *map(str, numbers)))
    note = (
        "Numbers of connected regions by area in pixels. Erased: regions of the mask before the CRF of "
        "which no pixel kept its class. Found: true regions of which more than half of the pixels have "
        "the right class."
    )
    models = len(content["models"])
    if models > 1:
        note += f" Sums over {models} models."
    heads = ("predicted regions", "erased by CRF", "true regions", "found before CRF", "found after CRF")
    return Table("Small structures", ("class", "area", *heads), tuple(rows), note)


_STRUCTURES = ("regions", "erased", "true_regions", "found_before_crf", "found_after_crf")


def confusion_table(content: Content, column: str = "predicted") -> Table:
    """Share of each true class's pixels by predicted class."""
    found = content["confusion"]
    rows = []
    for name, counts in zip(found["rows"], found[column], strict=True):
        total = sum(counts)
        rows.append((name, *(percent(n / total if total else None) for n in counts), str(total)))
    note = "Rows: true classes; percent of their pixels by predicted class."
    heads = ("true class", *found["columns"], "pixels")
    return Table(f"Confusion, {column} labels", heads, tuple(rows), note)


def models_table(content: Content) -> Table:
    """One row a model."""
    rows = [
        (
            model["name"],
            percent(model["predicted"]["miou"]),
            percent(model["predicted"]["mdice"]),
            percent(model["oracle"]["miou"]),
            percent(model["presence"]["patches"]["macro_f1"]),
            percent(model["calibration"]["predicted"]["ece"]),
        )
        for model in content["models"]
    ]
    heads = (
        "model",
        "predicted mIoU",
        "predicted mDice",
        "oracle mIoU",
        "patch macro F1",
        "calibration error",
    )
    return Table("Models", heads, tuple(rows), "Percent.")


def images_table(content: Content) -> Table:
    """One row an image, the worst first."""
    images = sorted(content["images"], key=lambda i: (i["iou_of_present"] is None, i["iou_of_present"] or 0))
    rows = [
        (
            image["image"],
            percent(image["iou_of_present"]),
            percent(image["oracle"]["miou"]),
            *(percent(image["predicted"]["iou"][name]) for name in content["predicted"]["iou"]),
        )
        for image in images
    ]
    heads = ("image", "IoU of its classes", "oracle mIoU", *(f"{n} IoU" for n in content["predicted"]["iou"]))
    note = (
        "Percent; predicted labels unless stated. IoU of its classes: mean over the classes present in "
        "the image."
    )
    return Table("Images", heads, tuple(rows), note)


def all_tables(content: Content) -> list[Table]:
    """All tables with content, in the order of a report."""
    tables = [
        scores_table(content),
        crf_table(content),
        presence_table(content),
        calibration_table(content),
        confusion_table(content),
        structures_table(content),
        models_table(content) if len(content["models"]) > 1 else None,
        images_table(content),
    ]
    return [table for table in tables if table is not None and table.rows]


def short_tables(content: Content) -> list[Table]:
    """Tables for a terminal: scores, effect of the CRF, presence and calibration, models."""
    several = len(content["models"]) > 1
    tables = [scores_table(content, intervals=False), crf_table(content), headline_table(content)]
    return [t for t in (*tables, models_table(content) if several else None) if t is not None]


def headline_table(content: Content) -> Table:
    """Presence, calibration and erased regions as one number each."""
    presence, calibration = content["presence"], content["calibration"]
    rows = [
        ("macro F1 of presence in images", percent(presence["images"]["macro_f1"])),
        ("macro F1 of presence in patches", percent(presence["patches"]["macro_f1"])),
        ("calibration error of pixels, predicted", percent(calibration["predicted"]["ece"])),
        ("calibration error of pixels, oracle", percent(calibration["oracle"]["ece"])),
    ]
    if content["structures"] is not None:
        counts = content["structures"]["classes"]
        for key, what in (
            ("erased", "predicted regions erased by the CRF"),
            ("found_before_crf", "true regions found before the CRF"),
            ("found_after_crf", "true regions found after the CRF"),
        ):
            whole = "regions" if key == "erased" else "true_regions"
            part, total = (sum(sum(c[k]) for c in counts.values()) for k in (key, whole))
            rows.append((what, f"{part} of {total}"))
    return Table("Presence, calibration, small structures", ("", ""), tuple(rows), "Percent, or counts.")


def _at(column: Mapping[str, Any], key: str, name: str | None) -> Any:
    """A number of a column: of a class, or of all; None where the column is empty."""
    found = column.get(key)
    return found if name is None or found is None else found[name]
