"""Result of an ablation: means, spreads and differences."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_construct.evaluation.report.markdown import markdown_table
from napari_construct.evaluation.report.table import Table, signed, spread


@dataclass(frozen=True, slots=True)
class VariantScores:
    """Scores of one variant.

    Attributes
    ----------
    name, title : str
        Of the variant.
    scores : tuple of mapping
        Per seed, the columns ``predicted`` and ``oracle``.
    skipped : str
        Reason for no scores.
    """

    name: str
    title: str
    scores: tuple[Mapping[str, Any], ...] = ()
    skipped: str = ""

    def values(self, column: str, key: str = "miou") -> list[float]:
        """One number per seed; undefined ones are left out."""
        found = [scores[column][key] for scores in self.scores]
        return [value for value in found if value is not None]


@dataclass(frozen=True, slots=True)
class AblationReport:
    """Variants against the full recipe, which is the first.

    Attributes
    ----------
    variants : tuple of VariantScores
        The full recipe and its variants.
    seeds : int
        Number of seeds of each.
    record : mapping
        The full recipe and the data.
    """

    variants: tuple[VariantScores, ...]
    seeds: int
    record: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; undefined ones None.

        Of each variant and column: ``miou`` and ``mdice`` with ``mean``, ``std`` (n - 1) and ``seeds``, one
        number each; ``difference`` of the mean mIoU to the full recipe; ``spread``, the larger of the two
        standard deviations; ``beyond_spread``, whether the difference is larger than it.
        """
        full = self.variants[0]
        return {
            "seeds": self.seeds,
            "variants": [
                {
                    "name": variant.name,
                    "title": variant.title,
                    "skipped": variant.skipped or None,
                    **{column: _compared(variant, full, column) for column in ("predicted", "oracle")},
                    "iou": _by_class(variant),
                }
                for variant in self.variants
            ],
            "record": dict(self.record),
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def table(self) -> Table:
        """One row a variant."""
        rows = []
        for variant in self.to_dict()["variants"]:
            row = [variant["name"], variant["title"]]
            for column in ("predicted", "oracle"):
                found = variant[column]
                row.append(spread(found["miou"]["mean"], found["miou"]["std"]))
                row.append(signed(found["difference"]))
                row.append({True: "yes", False: "no", None: "-"}[found["beyond_spread"]])
            rows.append(tuple(row))
        heads = [f"{c} {h}" for c in ("predicted", "oracle") for h in ("mIoU", "difference", "beyond spread")]
        note = (
            f"Percent, mean ± standard deviation over {self.seeds} seed(s), the same for every variant. "
            "Beyond spread: the difference is larger than the larger of the two standard deviations."
        )
        left_out = [f"{v.name}: {v.skipped}" for v in self.variants if v.skipped]
        if left_out:
            note += f" Left out: {'; '.join(left_out)}."
        return Table("Ablation", ("variant", "change", *heads), tuple(rows), note)

    def to_markdown(self) -> str:
        """:meth:`table` in GitHub's Markdown."""
        return markdown_table(self.table()) + "\n"


def _compared(variant: VariantScores, full: VariantScores, column: str) -> dict[str, Any]:
    found = {key: _over_seeds(variant.values(column, key)) for key in ("miou", "mdice")}
    own, other = found["miou"], _over_seeds(full.values(column))
    difference = size = beyond = None
    if variant is not full and own["mean"] is not None and other["mean"] is not None:
        difference = own["mean"] - other["mean"]
        if own["std"] is not None and other["std"] is not None:
            size = max(own["std"], other["std"])
            beyond = abs(difference) > size
    return {**found, "difference": difference, "spread": size, "beyond_spread": beyond}


def _over_seeds(values: list[float]) -> dict[str, Any]:
    return {
        "mean": statistics.fmean(values) if values else None,
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "seeds": values,
    }


def _by_class(variant: VariantScores) -> dict[str, list[float | None]]:
    """IoU of every class, predicted labels, one number per seed."""
    if not variant.scores:
        return {}
    names = variant.scores[0]["predicted"]["iou"]
    return {name: [scores["predicted"]["iou"][name] for scores in variant.scores] for name in names}
