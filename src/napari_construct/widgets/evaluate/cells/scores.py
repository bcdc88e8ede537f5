"""Scores of students: rows for the widget, CSV, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_construct.events import Doubt
from napari_construct.reading.texts.csv import csv_text

if TYPE_CHECKING:  # imports torch
    from napari_construct.evaluation.cells.report import CellReport

SHOWN: Final = {
    "dice": "Dice",
    "iou": "IoU",
    "boundary_f1": "boundary F1",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap": "AP 0.5:0.95",
}
"""Scores in the order of the table, and their names for people."""

_KINDS: Final = {"student": "student", "baseline": "no KD"}


@dataclass(frozen=True, slots=True, eq=False)
class CellScored:
    """The result of an evaluation of a student.

    Attributes
    ----------
    report : CellReport
        The whole report.
    content : mapping
        Its plain values.
    data : Path
        Its images.
    """

    report: CellReport
    content: Mapping[str, Any]
    data: Path

    def heads(self) -> tuple[str, ...]:
        """What the columns of :meth:`rows` are."""
        return ("score", *(kind for kind, _, _ in self._columns()))

    def tips(self) -> tuple[str, ...]:
        """The models of the columns."""
        return ("", *(name for _, name, _ in self._columns()))

    def rows(self) -> list[tuple[str, ...]]:
        """Name of each score, and its value in percent for student, baseline and teacher."""
        columns = [found["pooled"] for _, _, found in self._columns()]
        return [(words, *(_percent(pooled[key]) for pooled in columns)) for key, words in SHOWN.items()]

    def images(self) -> list[tuple[str, ...]]:
        """Name, true and found cells, and Dice of each image, the worst first."""
        first = self.content["rows"][0]["name"]
        found = [(image, image["rows"][first]["dice"]) for image in self.content["images"]]
        found.sort(key=lambda one: (one[1] is None, one[1] or 0.0))
        return [
            (image["image"], str(image["cells"]), str(image["cells_found"]), _percent(dice))
            for image, dice in found
        ]

    def in_words(self) -> str:
        """Dice and AP50, over how many images, and what the teacher's Dice says of it."""
        row, count = self.content["rows"][0], len(self.content["images"])
        pooled, recovery, base = row["pooled"], row["recovery"], row["baseline"]
        words = f"Dice {_percent(pooled['dice'])} %, AP50 {_percent(pooled['ap50'])} % "
        words += f"over {count} image{'s' if count != 1 else ''}"
        if self.content["truth"] == "teacher":
            words += ", compared with the teacher"
        if recovery:
            words += f"; {_percent(recovery['value'])} % of the teacher's Dice"
        if base and base["gain"]["dice"]["value"] is not None:
            words += f"; gain of Dice over no KD {100 * base['gain']['dice']['value']:+.1f}"
        return f"{words}."

    def notices(self) -> list[str]:
        """What the user should know of the scores."""
        failures = self.content["failures"]
        failed = [Doubt(f"{len(failures)} not scored: {failures[0]['error']}")] if failures else []
        return [*failed, *self.report.notices]

    def to_csv(self) -> str:
        """Scores of models and of images (fractions, empty if undefined), one table below the other."""
        rows: list[list[Any]] = [["kind", "model", *SHOWN]]
        for kind, name, found in self._columns():
            rows.append([kind, name, *(_exact(found["pooled"][key]) for key in SHOWN)])
        first = self.content["rows"][0]["name"]
        rows += [[], ["image", "true cells", "found cells", *SHOWN]]
        for image in self.content["images"]:
            own = image["rows"][first]
            counts = image["cells"], image["cells_found"]
            rows.append([image["image"], *counts, *(_exact(own[key]) for key in SHOWN)])
        rows += [[], ["compared with", "drawn cells" if self.content["truth"] == "drawn" else "the teacher"]]
        return csv_text(rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as on the command line."""
        return dict(self.content)

    def to_html(self) -> str:
        """One page, as on the command line."""
        return self.report.to_html()

    def _columns(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Kind, name and scores of the models."""
        found = [(_KINDS[row["kind"]], row["name"], row) for row in self.content["rows"]]
        teacher = self.content["teacher"]
        return found if teacher is None else [*found, ("teacher", teacher["name"], teacher)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)
