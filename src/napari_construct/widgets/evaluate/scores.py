"""Scores of an evaluation: rows for the widget, CSV, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.metrics.class_order import OtherOrder, in_words, other_order, reordered
from napari_construct.metrics.ratio import known_mean
from napari_construct.metrics.segmentation import precision_recall, scores_from_confusion
from napari_construct.reading.texts.csv import csv_text

if TYPE_CHECKING:  # imports torch
    from napari_construct.evaluation.report.report import EvaluationReport

COLUMNS: Final = {"predicted": "Predicted class presence", "oracle": "Class presence of the mask"}
HEADS: Final = ("class", "IoU", "Dice", "precision", "recall")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """The result of an evaluation.

    Attributes
    ----------
    names : tuple of str
        The k classes.
    matrices : mapping of str to ndarray
        (k, k + 1) counts by column: "predicted", and for folders also "oracle".
    about : mapping
        The compared data, for files.
    report : EvaluationReport or None
        The whole report, for folders.
    content : mapping or None
        The report's plain values.
    """

    names: tuple[str, ...]
    matrices: Mapping[str, NDArray[np.int64]]
    about: Mapping[str, Any] = field(default_factory=dict)
    report: EvaluationReport | None = None
    content: Mapping[str, Any] | None = None

    @property
    def first_class(self) -> int:
        """Value of the first class in the ground truth."""
        about = self.about if self.report is None else self.report.record.get("masks", {})
        return int(about.get("first_class", 0))

    @property
    def better_order(self) -> OtherOrder | None:
        """Another order of the classes in the ground truth, if it fits much better."""
        return other_order(self.matrices["predicted"])

    def in_order(self, order: Sequence[int]) -> Scored:
        """The scores with the ground truth read in another order; counts are moved, nothing runs again.

        What is not in the counts (single images, reliability, small structures) does not follow: the report
        is left out. Counts with the classes of the mask given are left out as well, for the same reason.

        Parameters
        ----------
        order : sequence of int
            Class that each class of the ground truth truly is.
        """
        first, names = self.first_class, self.names
        values = in_words([order[i] for i in range(len(order))], names, first)
        about = {"prediction": "the model", "truth": "the masks", **self.about}
        about |= {"first_class": first, "mask_order": values}
        return Scored(names, {"predicted": reordered(self.matrices["predicted"], order)}, about)

    def numbers(self, column: str = "predicted") -> dict[str, list[float]]:
        """IoU, Dice, precision and recall of each class, then their means; nan if undefined."""
        matrix = self.matrices[column]
        scores = scores_from_confusion(matrix)
        precision, recall = precision_recall(matrix)
        found = (scores["iou"], scores["dice"], precision.tolist(), recall.tolist())
        return {
            head: [*one, float(known_mean(np.asarray(one, dtype=np.float64), axis=0))]
            for head, one in zip(HEADS[1:], found, strict=True)
        }

    def rows(self, column: str = "predicted") -> list[tuple[str, ...]]:
        """Name and scores in percent of each class, then the mean."""
        numbers = self.numbers(column)
        return [
            (name, *(_percent(numbers[head][i]) for head in HEADS[1:]))
            for i, name in enumerate((*self.names, "mean"))
        ]

    def to_csv(self) -> str:
        """Scores (fractions, empty if undefined) and confusion matrices, one table below the other."""
        rows: list[list[Any]] = []
        for column, matrix in self.matrices.items():
            numbers = self.numbers(column)
            rows.append(["labels", *HEADS])
            for i, name in enumerate((*self.names, "mean")):
                values = [numbers[head][i] for head in HEADS[1:]]
                rows.append([column, name, *("" if v != v else repr(v) for v in values)])  # noqa: PLR0124
            rows.append([])
            rows.append([f"{column}: pixels", *(f"as {name}" for name in (*self.names, "unlabelled"))])
            rows.extend([name, *counts] for name, counts in zip(self.names, matrix.tolist(), strict=True))
            rows.append([])
        rows.append(["first class in the masks", self.first_class])
        if "mask_order" in self.about:
            rows.append(["classes of the values in the masks", self.about["mask_order"]])
        return csv_text(rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; for folders those of the report, as on the command line."""
        if self.content is not None:
            return dict(self.content)
        numbers = {
            head: [None if v != v else v for v in values]  # noqa: PLR0124 - nan
            for head, values in self.numbers().items()
        }
        return {
            **self.about,
            "classes": list(self.names),
            "scores": {
                head: dict(zip((*self.names, "mean"), values, strict=True))
                for head, values in numbers.items()
            },
            "confusion": {
                "rows": list(self.names),
                "columns": [*self.names, "unlabelled"],
                "predicted": self.matrices["predicted"].tolist(),
            },
        }

    def to_html(self) -> str:
        """One page: the whole report for folders; scores and confusion matrix for layers."""
        if self.report is not None:
            return self.report.to_html()
        from napari_construct.evaluation.report.page import html_table
        from napari_construct.evaluation.report.plots import confusion_plot
        from napari_construct.evaluation.report.table import Table
        from napari_construct.evaluation.report.tables import confusion_table

        content = self.to_dict()
        scores = Table("Scores", HEADS, tuple(self.rows()), strong=1)
        order = f"; values of the masks: {self.about['mask_order']}" if "mask_order" in self.about else ""
        about = escape(f"{self.about['prediction']} against {self.about['truth']}, percent{order}")
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title></head>'
            f"<body><h1>Evaluation</h1><p>{about}</p>{html_table(scores)}"
            f"{html_table(confusion_table(content))}{confusion_plot(content)}</body></html>\n"
        )


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
