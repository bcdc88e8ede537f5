"""Presence in patches of the training size, for which labels and thresholds are defined.

Large validation images hold nearly every class, so presence in them is little informative. The image is
therefore also cut into windows as large as the training patches, without running the network again: the
logits of a window are pooled exactly as those of a patch in training. They differ from those of the same
patch shown alone only near its border, where the network here sees beyond it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import spread
from napari_construct.inference.decision.presence import predicted_presence, presence_scores
from napari_construct.metrics.presence import classes_in_mask

FRACTION: Final = 0.05
"""A class is in a patch when it covers at least this share of the pixels that are scored there, the rule
by which GlaS's patches are labelled. It is in an image when it is in one of its patches."""

LEAST_SCORED: Final = 0.5
"""Windows with a smaller share of scored pixels are left out: their truth is not known."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class PatchPresence:
    """Presence in the n windows of an image: truth and prediction, both (n, k) bool."""

    true: Flags
    predicted: Flags

    @property
    def in_image(self) -> tuple[bool, ...]:
        """Per class, whether it is truly in one of the windows."""
        return tuple(bool(column.any()) for column in self.true.T)


def patch_presence(
    activation: Activation,
    predictor: Predictor,
    mask: npt.NDArray[np.uint8],
    glass: Flags,
    ignore: Collection[int] = (),
) -> PatchPresence:
    """Cut an image into patches and compare the classes found in each with the mask.

    Parameters
    ----------
    activation : Activation
        Activation of the whole image.
    predictor : Predictor
        Its patch size, pooling and thresholds are used.
    mask : ndarray
        (h, w) uint8 truth; value ``i`` is class ``i``.
    glass : ndarray
        (h, w) bool, where there is no tissue.
    ignore : collection of int
        Values of ``mask`` that are left out.
    """
    k, rows, columns = activation.logits.shape
    side = max(predictor.patch // activation.stride, 1)
    height, width = min(side, rows), min(side, columns)
    true: list[Flags] = []
    found: list[tuple[bool, ...]] = []
    for y in spread(rows, height, 0):
        for x in spread(columns, width, 0):
            box = _pixels(activation, (y, y + height), (x, x + width))
            window = mask[box]
            if not window.size or (~np.isin(window, list(ignore))).mean() < LEAST_SCORED:
                continue
            true.append(classes_in_mask(window, k, FRACTION, ignore))
            logits = activation.logits[:, y : y + height, x : x + width]
            found.append(_predicted(logits, predictor, any_tissue=not bool(glass[box].all())))
    shape = (len(true), k)
    return PatchPresence(np.array(true, bool).reshape(shape), np.array(found, bool).reshape(shape))


def _pixels(activation: Activation, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[slice, slice]:
    """The pixels of a box of cells."""
    sides = []
    for (start, stop), length, cells in zip((rows, columns), activation.shape, activation.cells, strict=True):
        sides.append(slice(round(start * length / cells), min(round(stop * length / cells), length)))
    return sides[0], sides[1]


def _predicted(
    logits: npt.NDArray[np.float32], predictor: Predictor, *, any_tissue: bool
) -> tuple[bool, ...]:
    _, height, width = logits.shape
    everything = np.ones((height, width), dtype=bool)
    scores = presence_scores(logits, everything, (height, width), predictor.checkpoint.config.pooling)
    return predicted_presence(scores, predictor.calibration.presence_thresholds, any_tissue=any_tissue)
