"""Presence of classes: from maps to image-level probabilities to a decision.

An image of a patch's size is one window, and its score is the network's own. A larger image is cut into
windows of a patch's size that overlap by half; a class is present if it is in any of them. The more
windows there are, the likelier it is that one of them errs, so its score is the mean logit of the best
windows: one of up to 49, then two in a hundred, and never more than 16. In a region of 1024 pixels, one
window with a high probability suffices; one slightly above one half does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import spread
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.pooling import pool_logits
from napari_construct.types import FloatArray

"""Pixels a side, at the model's resolution, of the windows that are scored unless the checkpoint says
what it was trained on: presence thresholds are fitted on patches, and a pooled score depends on how
much of a class fits into its window."""

LEAST_TISSUE: Final = 0.1
"""Windows with a smaller share of tissue are scored only where there are no others."""

BEST_SHARE: Final = 0.02
MOST_WINDOWS: Final = 16
"""Share of the windows, and their largest number, whose mean logit is a class's score. About 16
half-overlapping windows cover a structure four patches large; larger ones need no more agreement."""


def presence_scores(
    logits: FloatArray,
    tissue: npt.NDArray[np.bool_],
    window: tuple[int, int],
    pooling: str,
    valid: npt.NDArray[np.bool_] | None = None,
) -> tuple[float, ...]:
    """Image-level probability of each class: that of the best windows of a patch's size.

    The pooled logits of a window are what the network's classification loss saw in training, so the
    score does not depend on how the image was cut into tiles.

    Parameters
    ----------
    logits : ndarray
        (k, h, w) float32 CAM logits.
    tissue : ndarray
        (h, w) bool.
    window : tuple of int
        Rows and columns of a window in cells of ``logits``; windows overlap by half.
    pooling : str
        Pooling of the model, see :func:`~napari_construct.models.network.pooling.pool_logits`.
    valid : ndarray, optional
        (h, w) bool, False in cells without data: unlike glass, they have no part in the score of a window.

    Returns
    -------
    tuple of float
        k values from 0 to 1.
    """
    _, h, w = logits.shape
    rows, columns = min(window[0], h), min(window[1], w)
    boxes = [
        (slice(y, y + rows), slice(x, x + columns))
        for y in spread(h, rows, rows // 2)
        for x in spread(w, columns, columns // 2)
    ]
    shares = np.array([tissue[box].mean() for box in boxes])
    least = LEAST_TISSUE if (shares >= LEAST_TISSUE).any() else np.finfo(np.float64).tiny
    chosen = [box for box, share in zip(boxes, shares, strict=True) if share >= least] or boxes
    maps = torch.from_numpy(logits)
    data = None if valid is None else torch.from_numpy(valid.astype(np.float32))[None]
    pooled = torch.stack(
        [
            pool_logits(maps[None, :, *box], pooling, None if data is None else data[:, *box])[0]
            for box in chosen
        ]
    )
    best = min(1 + int(BEST_SHARE * len(chosen)), MOST_WINDOWS)
    return tuple(pooled.double().topk(best, dim=0).values.mean(0).sigmoid().tolist())


def window_scores(
    predictor: Predictor,
    logits: FloatArray,
    tissue: npt.NDArray[np.bool_],
    stride: int,
    valid: npt.NDArray[np.bool_] | None = None,
) -> tuple[float, ...]:
    """:func:`presence_scores` with windows of a model's patches; ``stride`` is pixels per cell."""
    side = max(predictor.patch // stride, 1)
    return presence_scores(logits, tissue, (side, side), predictor.checkpoint.config.pooling, valid)


def presence_by(
    settings: SegmentSettings, predictor: Predictor, scores: Sequence[float], *, any_tissue: bool
) -> tuple[bool, ...]:
    """:func:`predicted_presence` with the threshold of the settings, or those of the model."""
    thresholds: Sequence[float] = predictor.calibration.presence_thresholds
    if settings.presence_threshold is not None:
        thresholds = (settings.presence_threshold,) * len(scores)
    return predicted_presence(scores, thresholds, any_tissue=any_tissue)


def predicted_presence(
    scores: Sequence[float], thresholds: Sequence[float], *, any_tissue: bool
) -> tuple[bool, ...]:
    """Classes whose score reaches its threshold; where there is tissue, at least the likeliest one.

    Parameters
    ----------
    scores : sequence of float
        Of :func:`presence_scores`.
    thresholds : sequence of float
        One per class; empty means 0.5 for all.
    any_tissue : bool
        Whether there is any tissue; without it, no class is present.
    """
    limits = tuple(thresholds) or (0.5,) * len(scores)
    if len(limits) != len(scores):
        raise ConfigurationError(
            f"expected {len(scores)} presence thresholds, one per class, got {len(limits)}; "
            "calibrate the model again"
        )
    if not any_tissue:
        return (False,) * len(scores)
    present = tuple(score >= limit for score, limit in zip(scores, limits, strict=True))
    if any(present):
        return present
    nearest = int(np.argmax([score - limit for score, limit in zip(scores, limits, strict=True)]))
    return tuple(i == nearest for i in range(len(scores)))
