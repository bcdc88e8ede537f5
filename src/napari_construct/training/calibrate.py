"""Temperature and presence thresholds from patches with image-level labels.

Pooled logits are all that image-level labels speak about. The temperature is the one under which
they are most likely (Guo et al. 2017): of the softmax over classes on patches of one class, as the
softmax of every pixel uses it, or of the sigmoid where hardly any patch has a single class. Labels are
softened by one imagined patch per answer (Platt 1999), without which patches that are all classified
right would ask for a temperature of zero. A threshold is the one with the highest F1 for its class, in
the middle of the gap it may lie in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from napari_construct.events import Event, Steps
from napari_construct.models.calibration import BackgroundRule, Calibration
from napari_construct.models.construct import ConstructNet
from napari_construct.training.augmentation import centre_view
from napari_construct.training.patches import PatchStore

ENOUGH: Final = 20
"""Patches of a single class from which the softmax is fitted."""

BOUNDS: Final = (0.05, 50.0)
"""Range of temperatures."""


def pooled_logits_steps(
    model: ConstructNet, patches: PatchStore, device: torch.device, *, limit: int = 2000, batch_size: int = 32
) -> Steps[tuple[NDArray[np.intp], Float[Tensor, "n k"]]]:
    """Image-level logits of up to ``limit`` patches, evenly spread; returns their indices and logits."""
    chosen = np.unique(np.linspace(0, len(patches) - 1, min(limit, len(patches))).round().astype(np.intp))
    was_training = model.training
    model.eval()
    rows: list[Tensor] = []
    try:
        for start in range(0, len(chosen), batch_size):
            part = patches.batch(chosen[start : start + batch_size].tolist())
            images = centre_view(part.to(device), window=patches.view.window, size=patches.view.size)
            with torch.no_grad():
                rows.append(model(images).class_logits.float().cpu())
            yield Event("calibrate", min(start + batch_size, len(chosen)), len(chosen))
    finally:
        model.train(was_training)
    return chosen, torch.cat(rows)


def fit_calibration(
    logits: Float[Tensor, "n k"], labels: NDArray[np.uint8], background: BackgroundRule | None = None
) -> Calibration:
    """Calibration from pooled logits and labels (n, k)."""
    truth = torch.from_numpy(np.array(labels)).float()
    probabilities = logits.double().sigmoid().numpy()
    thresholds = tuple(best_f1_threshold(probabilities[:, i], labels[:, i]) for i in range(labels.shape[1]))
    return Calibration(
        temperature=fit_temperature(logits, truth),
        presence_thresholds=thresholds,
        background=background or BackgroundRule(),
    )


def fit_temperature(logits: Float[Tensor, "n k"], labels: Float[Tensor, "n k"]) -> float:
    """Temperature with the smallest negative log-likelihood of the softened labels, within ``BOUNDS``."""
    single = labels.sum(1) == 1
    n, k = int(single.sum()), labels.shape[1]
    if n >= ENOUGH and k > 1:
        x, y = logits[single].double(), (labels[single].double() * n + 1) / (n + k)

        def loss(log_t: float) -> float:
            return float(F.cross_entropy(x / math.exp(log_t), y))
    else:
        positives = labels.double().sum(0)
        negatives = len(labels) - positives
        x = logits.double()
        y = torch.where(labels > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

        def loss(log_t: float) -> float:
            return float(F.binary_cross_entropy_with_logits(x / math.exp(log_t), y))

    found = minimize_scalar(loss, bounds=(math.log(BOUNDS[0]), math.log(BOUNDS[1])), method="bounded")
    return math.exp(float(found.x))


def best_f1_threshold(probabilities: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    """Threshold t with the highest F1 of ``probability >= t``; 0.5 where one answer is all there is.

    Between the lowest accepted and the highest rejected probability every t has the same F1. The
    middle on the scale of logits is taken, so that a confident model's threshold does not touch 1.
    """
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    score, hit = probabilities[order], np.cumsum(labels[order].astype(np.int64))
    accepted = np.arange(1, len(score) + 1)
    f1 = 2 * hit / (accepted + positives)
    possible = np.append(score[1:] < score[:-1], True)  # equal probabilities are accepted together
    best = int(np.flatnonzero(possible)[np.argmax(f1[possible])])
    upper, lower = float(score[best]), float(score[best + 1]) if best + 1 < len(score) else 0.0
    middle = _sigmoid((_logit(upper) + _logit(lower)) / 2)
    return middle if lower < middle <= upper else upper


def macro_f1(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], thresholds: Sequence[float]
) -> float:
    """Mean over classes of the F1 of presence."""
    predicted = probabilities >= np.asarray(thresholds)
    hit = (predicted & (labels > 0)).sum(0)
    total = predicted.sum(0) + (labels > 0).sum(0)
    return float(np.mean(np.where(total > 0, 2 * hit / np.maximum(total, 1), 1.0)))


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
