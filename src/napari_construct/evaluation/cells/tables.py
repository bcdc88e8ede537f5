"""The tables of a report on students, as text; command line, Markdown and HTML show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from napari_construct.evaluation.cells.scores import CURVE, SCORES, curve_names
from napari_construct.evaluation.report.table import Content, Table, interval, percent, signed, spread
from napari_construct.metrics.bootstrap import LEAST_IMAGES

HEADS: Final = {
    "dice": "Dice",
    "iou": "IoU",
    "boundary_f1": "boundary F1",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap": "AP",
}


def heading(content: Content) -> str:
    """How many models and images, and what they are compared with."""
    images, models = len(content["images"]), len(content["models"])
    against = (
        "drawn cells" if content["truth"] == "drawn" else "what the teacher says, because nobody drew cells"
    )
    several = f"{models} models" if models > 1 else f"Model {content['models'][0]['name']}"
    return f"{several} on {images} image{'s'[: images != 1]}, compared with {against}."


def students_table(content: Content) -> Table:
    """Without and with distillation, gain, teacher and recovery, by the Dice of the foreground."""
    by_name = {row["name"]: row for row in content["rows"]}
    students = [row for row in content["rows"] if row["kind"] == "student"]
    teacher, with_base = content["teacher"], any(row["baseline"] for row in students)
    rows = []
    for row in students:
        cells, gain = [_dice(row)], row["baseline"]
        if with_base:
            before = _dice(by_name[gain["name"]]) if gain else "-"
            cells = [before, *cells, signed(gain["gain"]["dice"]["value"]) if gain else "-"]
        if teacher is not None:
            recovery = row["recovery"]
            cells += [percent(teacher["pooled"]["dice"]), spread(recovery["value"], recovery["std"])]
        rows.append((row["name"], *cells))
    heads = ["no KD", "Dice", "gain"] if with_base else ["Dice"]
    heads += ["teacher", "recovery"] if teacher is not None else []
    note = "Foreground Dice in percent, pixels of all images summed."
    if with_base:
        note += " No KD: the baseline without a teacher."
    if teacher is not None:
        note += " Recovery: Dice of the student over Dice of the teacher."
    if any(row["std"] for row in content["rows"]):
        note += " ±: standard deviation over seeds."
    return Table("Students", ("student", *heads), tuple(rows), note)


def training_table(content: Content) -> Table:
    """Which labels every model saw."""
    rows = []
    for name, row in _all_rows(content):
        told = row.get("training")
        if told is not None:
            terms = ", ".join(told["terms"]) or "?"
            counts = _count(told["images_with_truth"]), _count(told["images_taught"])
            rows.append((name, told["encoder"], terms, *counts, told["teacher"] or "-"))
    note = (
        "Drawn: training images whose drawn cells were used. Taught: training images that the teacher was "
        "shown. ?: the model's file does not say it."
    )
    heads = ("model", "encoder", "terms", "drawn", "taught", "teacher")
    return Table("What the models were trained on", heads, tuple(rows), note)


def scores_table(content: Content) -> Table:
    """All scores of baselines, students and teacher."""
    rows = [(name, *_spreads(found)) for name, found in _all_rows(content)]
    note = (
        "Percent; pixels, contours and cells of all images summed. AP = TP / (TP + FP + FN) of cells at an "
        "IoU of 0.5, 0.75, and the mean over 0.5 to 0.95. Contours agree within "
        f"{content['record'].get('tolerance', 2):g} pixels."
    )
    return Table("Scores", ("model", *HEADS.values()), tuple(rows), note, strong=_strong(content))


def intervals_table(content: Content) -> Table | None:
    """Bootstrap over images; None for too few of them."""
    level = f"{100 * content['intervals']['level']:.0f} %"
    if len(content["images"]) < LEAST_IMAGES:
        return None
    rows = [
        (name, *(interval(found["intervals"][score]) for score in SCORES))
        for name, found in _all_rows(content)
    ]
    for row in content["rows"]:
        if row.get("baseline"):
            gain = row["baseline"]["gain"]
            rows.append((f"gain of {row['name']}", *(_signed_ends(gain[s]["interval"]) for s in SCORES)))
    rows += [
        (f"recovery of {row['name']}", interval(row["recovery"]["interval"]), *[""] * 5)
        for row in content["rows"]
        if row.get("recovery")
    ]
    note = (
        f"{level}, bootstrap over images ({content['intervals']['resamples']} draws) of the mean over seeds."
    )
    return Table(f"Intervals over images, {level}", ("model", *HEADS.values()), tuple(rows), note)


def images_mean_table(content: Content) -> Table:
    """Means of the images' own scores."""
    rows = [
        (name, *(percent(found["per_image"][score]) for score in SCORES))
        for name, found in _all_rows(content)
    ]
    note = "Percent; mean of the images' own scores, every image counts the same."
    return Table("Mean over images", ("model", *HEADS.values()), tuple(rows), note, strong=_strong(content))


def curve_table(content: Content) -> Table:
    """AP at every IoU."""
    rows = [
        (name, *(percent(found["pooled"][CURVE][at]) for at in curve_names()))
        for name, found in _all_rows(content)
    ]
    return Table("AP by IoU", ("model", *curve_names()), tuple(rows), "Percent.", strong=_strong(content))


def models_table(content: Content) -> Table | None:
    """One row a model; None where each is a row of its own."""
    if len(content["models"]) == len(content["rows"]):
        return None
    rows = [
        (
            model["name"],
            "-" if model["seed"] is None else str(model["seed"]),
            *(percent(model["pooled"][score]) for score in SCORES),
        )
        for model in content["models"]
    ]
    return Table("Models", ("model", "seed", *HEADS.values()), tuple(rows), "Percent.")


def images_table(content: Content) -> Table:
    """One row an image, the worst of the first student first."""
    first = content["rows"][0]["name"]
    others = [row["name"] for row in content["rows"][1:]]

    def worst(image: Mapping[str, Any]) -> tuple[bool, float]:
        dice = image["rows"][first]["dice"]
        return dice is None, dice or 0.0

    rows = []
    for image in sorted(content["images"], key=worst):
        own = image["rows"][first]
        more = [percent(image["rows"][name]["dice"]) for name in others]
        if content["teacher"] is not None:
            more.append(percent(image["teacher"]["dice"]))
        counts = (str(image["cells"]), str(image["cells_found"]))
        rows.append((image["image"], *counts, *(percent(own[score]) for score in SCORES), *more))
    heads = [
        "image", "true cells", "found cells", *HEADS.values(),
        *(f"{name} Dice" for name in others),
        *(["teacher Dice"] if content["teacher"] is not None else []),
    ]  # fmt: skip
    note = f"Percent; of {first} unless stated. Found cells: of its first model."
    return Table("Images", tuple(heads), tuple(rows), note)


def all_tables(content: Content) -> list[Table]:
    """All tables with content, in the order of a report."""
    tables = [
        students_table(content),
        training_table(content),
        scores_table(content),
        intervals_table(content),
        images_mean_table(content),
        curve_table(content),
        models_table(content),
        images_table(content),
    ]
    return [table for table in tables if table is not None]


def short_tables(content: Content) -> list[Table]:
    """Tables for a terminal."""
    return [students_table(content), training_table(content), scores_table(content)]


def _all_rows(content: Content) -> list[tuple[str, Mapping[str, Any]]]:
    """Baselines, then students, then the teacher."""
    rows = sorted(content["rows"], key=lambda row: row["kind"] == "student")
    found = [(f"{row['name']} (no KD)" if row["kind"] == "baseline" else row["name"], row) for row in rows]
    teacher = content["teacher"]
    return found if teacher is None else [*found, ("teacher", teacher)]


def _strong(content: Content) -> int:
    return 0 if content["teacher"] is None else 1


def _dice(row: Mapping[str, Any]) -> str:
    return _spreads(row)[0]


def _spreads(row: Mapping[str, Any]) -> list[str]:
    std = row["std"] or {}
    return [spread(row["pooled"][score], std.get(score)) for score in SCORES]


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _signed_ends(ends: list[float] | None) -> str:
    return "-" if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"
