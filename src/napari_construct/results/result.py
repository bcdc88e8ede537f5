"""Results of a segmentation, in memory and read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.refinement.safeguard import RefinementReport
from napari_construct.results.areas import (
    PERCENT_OF_TISSUE,
    class_means,
    class_pixels,
    stored_area,
    tissue_of,
)
from napari_construct.results.out_of_distribution import DistanceGrid
from napari_construct.results.segmentation import Segmentation
from napari_construct.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class SegmentationResult(Segmentation):
    """Mask, CAMs, probabilities and confidence; all arrays have the image's h and w.

    Attributes
    ----------
    probabilities : ndarray
        (k, h, w) float32, before refinement; sum to one over k where there is tissue.
    cams : ndarray
        (k, h, w) float32 in [0, 1]: each class's own activation, independent of the others.
    confidence : ndarray
        (h, w) float32 in [0, 1]: probability of the label in the final mask.
    background : ndarray
        (h, w) bool; where no tissue was found.
    refinement : RefinementReport or None
        Regions that the CRF erased, and pixels that each class gained or lost, before ``min_confidence``.
        None without a CRF.
    distances : DistanceGrid or None
        ``distances.map()`` is how far each place is from the training patches of the model, (h, w) float32;
        None of models without a guard.
    labels, classes, presence, presence_scores, mpp, record
        As of :class:`~napari_construct.results.segmentation.Segmentation`.
    """

    probabilities: FloatArray
    cams: FloatArray
    confidence: FloatArray
    background: np.ndarray[Any, np.dtype[np.bool_]]
    refinement: RefinementReport | None = None
    distances: DistanceGrid | None = None

    @property
    def tissue_pixels(self) -> int:
        """Pixels with tissue: all but the background."""
        return int((~self.background).sum())

    def mean_confidences(self) -> list[float]:
        """Per class, the mean of ``confidence`` over its pixels; NaN where it has none."""
        k = len(self.classes)
        total, count = class_pixels(self.labels, k, self.confidence), class_pixels(self.labels, k)
        means: list[float] = class_means(total, count).tolist()
        return means


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class StoredResult(Segmentation):
    """A result read from its files: the exact mask, and CAMs if they were written.

    Probabilities, confidence and background are not stored; segment again to get them.

    Attributes
    ----------
    labels : ndarray
        As of :class:`~.segmentation.Segmentation`; (planes, h, w) of the joined mask of a stack.
    cams : ndarray or None
        (k, h, w) float32 in [0, 1]; None if they were not written.
    presence, presence_scores : tuple
        Empty if the record does not hold them.
    record : mapping
        The JSON beside the files; empty if there is none.
    notices : tuple of str
        What was noticed when the files were read, such as a record that is of another mask.
    confidences : mapping of int to float
        Of cells by their number, as their table says; used where the CAMs were not written.
    """

    cams: FloatArray | None = None
    presence: tuple[bool, ...] = ()
    presence_scores: tuple[float, ...] = ()
    notices: tuple[str, ...] = ()
    confidences: Mapping[int, float] = field(default_factory=dict)

    def cells(self) -> dict[str, NDArray[Any]]:
        """As of :class:`~.segmentation.Segmentation`, with the confidences that are known."""
        table = Segmentation.cells(self)
        if self.cams is None:
            known = [self.confidences.get(label, np.nan) for label in table["label"].tolist()]
            table["confidence"] = np.array(known, dtype=np.float64)
        return table

    @property
    def tissue_pixels(self) -> int | None:
        """Pixels with tissue as the record says, or as the shares in an older one do; None without."""
        known = self.record.get("tissue_pixels")
        if known is not None:
            return int(known)
        areas = [stored_area(area) for area in self.record.get("areas", ())]
        return tissue_of([a["pixels"] for a in areas], [a.get(PERCENT_OF_TISSUE, 0.0) for a in areas])

    def measures(self) -> list[dict[str, Any]]:
        """Measures of the record if the mask is unchanged; computed again otherwise."""
        rows = self.areas()
        known = [row for row in self.record.get("areas", ()) if "components" in row]
        counts = ("class", "pixels")
        if [[row[key] for key in counts] for row in rows] == [[row[key] for key in counts] for row in known]:
            return [row | {"components": old["components"]} for row, old in zip(rows, known, strict=True)]
        return Segmentation.measures(self)
