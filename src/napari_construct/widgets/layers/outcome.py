"""What a run found, class by class and plane by plane; kept with the mask, so that it can be shown again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from napari.layers import Labels

from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.areas import class_pixels
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.layers.place import METADATA_KEY

_OUTCOME: Final = "outcome"
_NAMED: Final = 5
"""Classes that a result is put in words with; the list of classes shows all of them."""


@dataclass(frozen=True, slots=True)
class ClassOutcome:
    """A class in a plane.

    Attributes
    ----------
    name : str
        The class.
    pixels : int
        Its area in the mask.
    present : bool
        Whether it was found or given.
    score : float
        The probability that the plane contains it.
    threshold : float or None
        The score from which it is found; None where the user gave the classes, or where it is not known.
    lost : str
        Why a class that is present has no pixel; empty otherwise.
    """

    name: str
    pixels: int
    present: bool
    score: float
    threshold: float | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True)
class PlaneOutcome:
    """The classes of a plane, its tissue in pixels, and its pixel size in micrometres if that is known.

    ``at`` is the plane of the mask's array: one index for each axis before rows and columns.
    """

    classes: tuple[ClassOutcome, ...]
    tissue: int
    mpp: float | None = None
    at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A whole run.

    Attributes
    ----------
    image : str
        Name of the image.
    model : str
        Name of the model, for people.
    planes : tuple of PlaneOutcome
        The finished ones.
    wanted : int
        Number of planes that were asked for.
    notices : tuple of str
        What the user should know of it, each once.
    given : bool
        Whether the user gave the classes.
    asked : tuple
        Model and settings of the run, to compare with those on view now.
    part : bool
        Whether it was a region of the image.
    cells : tuple of int or None
        Number of cells in each finished plane; None of a run that finds classes.
    number : int
        Later runs of a session have larger ones.
    """

    image: str
    model: str
    planes: tuple[PlaneOutcome, ...]
    wanted: int = 1
    notices: tuple[str, ...] = ()
    given: bool = False
    asked: tuple[Any, Any] = ("", None)
    part: bool = False
    cells: tuple[int, ...] | None = None
    number: int = field(default_factory=count().__next__)

    def __deepcopy__(self, memo: dict[int, Any]) -> RunOutcome:
        return self

    def plane(self, at: tuple[int, ...]) -> PlaneOutcome | None:
        """The outcome of a plane of the mask; None where it was not finished."""
        return next((plane for plane in self.planes if plane.at == at), None)

    def of(self, plane: PlaneOutcome) -> str:
        """What a plane of this run belongs to: image, plane, model."""
        axes = [
            i for i, n in enumerate(zip(*(one.at for one in self.planes), strict=True)) if len(set(n)) > 1
        ]
        number = f", plane {plane.at[axes[0]] + 1} of {self.wanted}" if axes else ""
        return f"{'Part of ' if self.part else ''}{self.image}{number}, {self.model}"

    def headline(self) -> str:
        """The result in a sentence: the share of each class in the tissue of all planes, largest first."""
        tissue, several = max(sum(plane.tissue for plane in self.planes), 1), len(self.planes) > 1
        if self.cells is not None:
            return f"{self._named()}: {self._counted(tissue)}{self._cancelled()}"
        found, without = [], []
        for every in zip(*(plane.classes for plane in self.planes), strict=True):
            times, pixels = sum(one.present for one in every), sum(one.pixels for one in every)
            where = f" (in {times} of {len(every)} planes)" if several and times < len(every) else ""
            if pixels:
                found.append((pixels, f"{every[0].name} {in_percent(pixels, tissue)}{where}"))
            elif times:
                without.append(every[0].name)
        found.sort(key=lambda one: -one[0])
        shown = [words for _, words in found[:_NAMED]]
        if len(found) > _NAMED:
            shown.append(f"{len(found) - _NAMED} more")
        said = f"{', '.join(shown)} of the tissue." if shown else "none of the classes was found."
        if without:
            said += f" Found without any area: {', '.join(without)}."
        return f"{self._named()}: {said}{self._cancelled()}"

    def _named(self) -> str:
        several = f", {len(self.planes)} planes" if len(self.planes) > 1 else ""
        return f"{self.image}{several}"

    def _cancelled(self) -> str:
        if len(self.planes) == self.wanted:
            return ""
        return f" Cancelled after {len(self.planes)} of {self.wanted} planes: the others are empty."

    def _counted(self, whole: int) -> str:
        count, pixels = sum(self.cells or ()), sum(plane.classes[0].pixels for plane in self.planes)
        if not count:
            return "no cell was found."
        return f"{count:,} cell{'s' * (count != 1)}, {in_percent(pixels, whole)} of the image."


def plane_outcome(
    result: SegmentationResult,
    settings: SegmentSettings,
    thresholds: Sequence[float] | None = None,
    at: tuple[int, ...] = (),
) -> PlaneOutcome:
    """What a run found in a plane; ``thresholds`` are the model's, one per class, where they are known."""
    counts = class_pixels(result.labels, len(result.classes)).tolist()
    limits: list[float | None] = [None] * len(counts)
    if settings.classes is None and settings.presence_threshold is not None:
        limits = [settings.presence_threshold] * len(counts)
    elif settings.classes is None and thresholds is not None:
        limits = list(thresholds) or [0.5] * len(counts)
    classes = tuple(
        ClassOutcome(
            tissue.name,
            pixels,
            present,
            score,
            limit,
            _why_lost(result, settings, i) if present and not pixels else "",
        )
        for i, (tissue, pixels, present, score, limit) in enumerate(
            zip(result.classes, counts, result.presence, result.presence_scores, limits, strict=True)
        )
    )
    return PlaneOutcome(classes, result.tissue_pixels, result.mpp, at)


def _why_lost(result: SegmentationResult, settings: SegmentSettings, i: int) -> str:
    """Why no pixel of a present class is left."""
    report = result.refinement
    if report is not None and len(report.area_before) > i + 1:
        if report.area_after[i + 1]:
            return "all of its pixels are below the minimum confidence"
        if report.area_before[i + 1]:
            return "removed when the borders were refined (CRF)"
    elif settings.min_confidence > 0 and (result.probabilities.argmax(0) == i).any():
        return "all of its pixels are below the minimum confidence"
    return "another class is more likely in every pixel"


def keep_outcome(layer: Labels, outcome: RunOutcome) -> None:
    """Keep what a run found with its mask."""
    layer.metadata[METADATA_KEY][_OUTCOME] = outcome


def outcome_of(layer: Any) -> RunOutcome | None:
    """What the run that made a mask found; None for other layers."""
    return None if layer is None else layer.metadata.get(METADATA_KEY, {}).get(_OUTCOME)


def in_percent(part: int, whole: int) -> str:
    """A share for people: "34 %", "0.4 %", "under 0.1 %"."""
    percent = 100 * part / max(whole, 1)
    if 0 < percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if 0 < percent < 1 else f"{percent:.0f} %"


def area_in_words(pixels: int, tissue: int, mpp: float | None) -> str:
    """E.g. "0.0131 mm², 20 %"; pixels where the pixel size is unknown."""
    share = in_percent(pixels, tissue)
    if mpp is None:
        return f"{pixels:,} px, {share}"
    return f"{pixels * mpp**2 * 1e-6:.3g} mm², {share}"
