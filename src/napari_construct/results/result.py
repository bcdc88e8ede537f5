"""What a segmentation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.refinement.safeguard import RefinementReport
from napari_construct.types import FloatArray, LabelImage

PERCENT_OF_TISSUE: Final = "percent_of_tissue"
"""Key of an area: its share of all that is no background."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationResult:
    """Mask, activation maps and what was decided on the way; all arrays have the image's h and w.

    Attributes
    ----------
    labels : ndarray
        (h, w) uint8; 0 background or unlabelled, ``i + 1`` class ``i`` of ``classes``.
    probabilities : ndarray
        (k, h, w) float32, before refinement; sum to one over k where there is tissue.
    cams : ndarray
        (k, h, w) float32 in [0, 1]: each class's own activation, independent of the others.
    confidence : ndarray
        (h, w) float32 in [0, 1]: probability of the label in the final mask.
    background : ndarray
        (h, w) bool; where no tissue was found.
    presence : tuple of bool
        Per class, whether it was taken as present.
    presence_scores : tuple of float
        Per class, the image-level probability.
    classes : ClassTable
        Names, colours, order.
    mpp : float or None
        Micrometres per pixel of the image, where known.
    record : mapping
        Versions, encoder and checkpoint hashes, settings, device, input identity, times.
    refinement : RefinementReport or None
        What the CRF erased and what each class gained or lost, before ``min_confidence``; values are
        those of ``labels``. None where no CRF ran.
    """

    labels: LabelImage
    probabilities: FloatArray
    cams: FloatArray
    confidence: FloatArray
    background: np.ndarray[Any, np.dtype[np.bool_]]
    presence: tuple[bool, ...]
    presence_scores: tuple[float, ...]
    classes: ClassTable
    mpp: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    refinement: RefinementReport | None = None

    def areas(self) -> list[dict[str, Any]]:
        """Area of each class: pixels, ``percent_of_tissue``, and mm2 where ``mpp`` is known.

        The tissue is all that is no background, pixels without a label among it.
        """
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes) + 1)[1:]
        tissue = max(int((~self.background).sum()), 1)
        rows: list[dict[str, Any]] = []
        for tissue_class, pixels in zip(self.classes, counts, strict=False):
            row: dict[str, Any] = {
                "class": tissue_class.name,
                "pixels": int(pixels),
                PERCENT_OF_TISSUE: 100.0 * int(pixels) / tissue,
            }
            if self.mpp is not None:
                row["mm2"] = float(pixels) * self.mpp**2 * 1e-6
            rows.append(row)
        return rows

    def components(self) -> list[int]:
        """How many connected parts each class has; pixels that touch at a corner are connected."""
        from skimage.measure import label

        parts, count = label(  # type: ignore[no-untyped-call]
            self.labels, background=0, connectivity=2, return_num=True
        )
        classes = np.zeros(count + 1, dtype=self.labels.dtype)
        classes[parts] = self.labels
        k = len(self.classes)
        found: list[int] = np.bincount(classes[1:], minlength=k + 1)[1 : k + 1].tolist()
        return found

    def measures(self) -> list[dict[str, Any]]:
        """:meth:`areas`, with the number of ``components`` of each class."""
        return [
            row | {"components": count} for row, count in zip(self.areas(), self.components(), strict=True)
        ]


def stored_area(area: Mapping[str, Any]) -> dict[str, Any]:
    """An area of a record or ledger, in today's words: its share of the tissue was just "percent" once."""
    return {PERCENT_OF_TISSUE if key == "percent" else key: value for key, value in area.items()}
