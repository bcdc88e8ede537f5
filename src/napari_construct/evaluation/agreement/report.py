"""What a comparison of two annotations found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_construct.evaluation.report.page import page, section, tiles
from napari_construct.evaluation.report.table import Table, interval, percent

NONE = "(none)"
"""What pixels without a class are called."""


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Agreement on one class; nan where undefined.

    Attributes
    ----------
    name : str
        Its name.
    kappa, dice : float
        Kappa of this class against all else, and Dice (of images: F1 of its presence).
    first, second, both : int
        Pixels or images that the first, the second, and both say are of it.
    kappa_interval, dice_interval : (float, float) or None
        95 % bootstrap intervals; None of too few images or regions.
    """

    name: str
    kappa: float
    dice: float
    first: int
    second: int
    both: int
    kappa_interval: tuple[float, float] | None = None
    dice_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Agreement of two annotations.

    Attributes
    ----------
    kind : {"pixels", "images"}
        What was counted.
    names : (str, str)
        Of the two annotations.
    classes : tuple of ClassAgreement
        Those that both have.
    kappa : float
        Cohen's kappa over all classes, and no class as one more; of images, the mean over the classes.
    accuracy : float
        Share of pixels, or of labels, on which both agree.
    mean_dice : float
        Over the classes that both have.
    intervals : mapping of str to (float, float)
        Of ``kappa``, ``accuracy`` and ``mean_dice``; empty of too few images or regions.
    confusion : ndarray
        Pixels: (n, n), rows the first's classes, columns the second's, in the order of ``labels``. Images:
        (k, 2, 2), of each class absent and present.
    labels : tuple of str
        Of rows and columns: shared classes, those of one side alone, and pixels of no class.
    only_first, only_second : tuple of str
        Classes without a partner.
    counted, units : int
        Pixels or images; and of what the bootstrap draws.
    notices : tuple of str
        How the annotations were read, and what was left out.
    record : mapping
        Software, inputs, settings.
    """

    kind: Literal["pixels", "images"]
    names: tuple[str, str]
    classes: tuple[ClassAgreement, ...]
    kappa: float
    accuracy: float
    mean_dice: float
    intervals: Mapping[str, tuple[float, float]]
    confusion: NDArray[np.int64]
    labels: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    counted: int
    units: int
    notices: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"Agreement({self.names[0]} and {self.names[1]}: kappa {self.kappa:.3f}, accuracy "
            f"{self.accuracy:.3f}, Dice {self.mean_dice:.3f}; {self.counted:,} {self.kind})"
        )

    @property
    def said(self) -> str:
        """One sentence."""
        return (
            f"{self.names[0]} and {self.names[1]}: kappa {_plain(self.kappa)}, accuracy "
            f"{percent(_known(self.accuracy))} %, mean Dice {_plain(self.mean_dice)} over {self.counted:,} "
            f"{self.kind}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``--json`` writes them; None where undefined."""
        return {
            "kind": self.kind,
            "first": self.names[0],
            "second": self.names[1],
            "kappa": _known(self.kappa),
            "accuracy": _known(self.accuracy),
            "mean_dice": _known(self.mean_dice),
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "classes": [_class_dict(one) for one in self.classes],
            "confusion": {"labels": list(self.labels), "counts": self.confusion.tolist()},
            "only_first": list(self.only_first),
            "only_second": list(self.only_second),
            "counted": self.counted,
            "units": self.units,
            "failures": [{"image": name, "error": error} for name, error in self.failures],
            "notices": list(self.notices),
            "record": dict(self.record),
        }

    def tables(self) -> tuple[Table, ...]:
        """Scores of each class, then what was confused with what."""
        what = self.kind
        rows = [
            (
                one.name,
                _plain(one.kappa),
                _range(one.kappa_interval),
                _plain(one.dice),
                _range(one.dice_interval),
                f"{one.first:,}",
                f"{one.second:,}",
                f"{one.both:,}",
            )
            for one in self.classes
        ]
        ends = self.intervals
        rows.append(
            ("all" if what == "pixels" else "mean", _plain(self.kappa), _range(ends.get("kappa")),
             _plain(self.mean_dice), _range(ends.get("mean_dice")), "", "", f"{self.counted:,}")
        )  # fmt: skip
        alone = [
            f"Only in {name}: {', '.join(only)}."
            for name, only in zip(self.names, (self.only_first, self.only_second), strict=True)
            if only
        ]
        accuracy = f"Accuracy {percent(_known(self.accuracy))} % ({interval(ends.get('accuracy'))})."
        heads = ("class", "kappa", "95 %", "Dice", "95 %", "first", "second", "both")
        scores = Table("Agreement", heads, tuple(rows), " ".join([accuracy, *alone]), strong=1)
        return (scores, *self._confusions())

    def to_html(self) -> str:
        """One page that needs no other file."""
        found = [
            (percent(_known(self.kappa)), "kappa"),
            (percent(_known(self.accuracy)), "accuracy"),
            (percent(_known(self.mean_dice)), "mean Dice"),
        ]
        return page(
            self.to_dict(), self.said, [tiles(found), *map(section, self.tables())], title="Agreement"
        )

    def _confusions(self) -> tuple[Table, ...]:
        if self.kind == "images":
            counts = self.confusion.reshape(-1, 4)
            heads = ("class", "neither", "second only", "first only", "both")
            rows = [
                (one.name, *(f"{count:,}" for count in row))
                for one, row in zip(self.classes, counts.tolist(), strict=True)
            ]
            return (Table("Images in which a class was seen", heads, tuple(rows)),)
        rows = [
            (name, *(f"{count:,}" for count in row))
            for name, row in zip(self.labels, self.confusion.tolist(), strict=True)
        ]
        note = f"Rows: {self.names[0]}. Columns: {self.names[1]}."
        return (Table("Confusion, pixels", ("", *self.labels), tuple(rows), note),)


def _class_dict(one: ClassAgreement) -> dict[str, Any]:
    return {
        "name": one.name,
        "kappa": _known(one.kappa),
        "dice": _known(one.dice),
        "first": one.first,
        "second": one.second,
        "both": one.both,
        "kappa_interval": None if one.kappa_interval is None else list(one.kappa_interval),
        "dice_interval": None if one.dice_interval is None else list(one.dice_interval),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _plain(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _range(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None or np.isnan(ends).any() else f"{ends[0]:.3f} to {ends[1]:.3f}"
