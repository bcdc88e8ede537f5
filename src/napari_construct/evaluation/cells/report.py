"""The result of an evaluation of students."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from napari_construct.evaluation.cells.overlays import CellExample
from napari_construct.evaluation.cells.rows import CellRow, baseline_of
from napari_construct.evaluation.cells.scores import CellModelScores, pooled_scores
from napari_construct.evaluation.scores.aggregate import mean_of


@dataclass(frozen=True, slots=True, eq=False)
class CellReport:
    """Scores of students, of their baselines and of their teacher on the same images.

    Attributes
    ----------
    rows : tuple of CellRow
        Students first, then baselines; seeds of one configuration are one row.
    teacher : CellModelScores or None
        None without a teacher, or where it stands in for the truth.
    truth : {"drawn", "teacher"}
        What everything is compared with.
    failures : tuple of (str, str)
        Images that could not be scored, with reasons; they enter no score.
    notices : tuple of str
        Notices for the user.
    record : mapping
        Software, settings, data, device, times.
    examples : tuple of CellExample
        Pictures of the first student.
    """

    rows: tuple[CellRow, ...]
    teacher: CellModelScores | None = None
    truth: Literal["drawn", "teacher"] = "drawn"
    failures: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[CellExample, ...] = ()

    def __repr__(self) -> str:
        dice = mean_of([pooled_scores(model) for model in self.rows[0].models])["dice"]
        counts = f"{sum(len(row.models) for row in self.rows)} model(s), {len(self.images)} image(s)"
        shown = "undefined" if dice is None else f"{dice:.3f}"
        return f"CellReport({counts}, {len(self.failures)} failed; Dice {shown})"

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the scored images."""
        return tuple(image.name for image in self.rows[0].models[0].images)

    @property
    def scores(self) -> dict[str, Any]:
        """``dice``, ``iou``, ``boundary_f1``, ``ap50``, ``ap75``, ``ap`` of the first row."""
        return mean_of([pooled_scores(model) for model in self.rows[0].models])

    def baseline_of(self, row: CellRow) -> CellRow | None:
        """The baseline beside a student."""
        return baseline_of(row, self.rows)[0]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; :mod:`~napari_construct.evaluation.cells.summary` lists the keys."""
        from napari_construct.evaluation.cells.summary import summary

        return {
            **summary(self.rows, self.teacher, self.truth),
            "failures": [{"image": name, "error": error} for name, error in self.failures],
            "notices": list(self.notices),
            "record": dict(self.record),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """The tables as GitHub's Markdown."""
        from napari_construct.evaluation.cells.tables import all_tables, heading
        from napari_construct.evaluation.report.markdown import document

        content = self.to_dict()
        return document(content, heading(content), all_tables(content))

    def to_html(self) -> str:
        """One page with tables, plots and pictures that needs no other file and no network."""
        from napari_construct.evaluation.cells.html import html

        return html(self.to_dict(), self.examples)
