"""Images with masks, and scores of masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.images import read_image
from napari_construct.data.masks import find_pairs, read_mask


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """An image with its true mask: class ``i`` is value ``i``, others do not count."""

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def masked_images(folder: Path) -> list[Masked]:
    """Images of ``img`` with masks of ``mask``."""
    pairs = find_pairs(folder)
    return [Masked(image.stem, read_image(image).pixels, read_mask(mask)) for image, mask in pairs.pairs]


def confusion(truth: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """(k, k) pixels by true class and label; unlabelled ones count as wrong in the last column of k + 1."""
    known = truth < classes
    found = np.where(labels == 0, classes, labels.astype(np.int64) - 1)
    counts = np.bincount(
        truth[known].astype(np.int64) * (classes + 1) + found[known], minlength=classes * (classes + 1)
    )
    return counts.reshape(classes, classes + 1)


def miou(counts: NDArray[np.int64]) -> float:
    """Mean intersection over union of a confusion matrix (k, k + 1)."""
    k = len(counts)
    right = np.diag(counts[:, :k])
    union = counts.sum(1) + counts[:, :k].sum(0) - right
    return float(np.mean(right[union > 0] / union[union > 0]))


def mean_dice(counts: NDArray[np.int64]) -> float:
    """Mean Dice over the classes that are there."""
    k = len(counts)
    right, there = np.diag(counts[:, :k]), counts.sum(1) > 0
    both = counts.sum(1) + counts[:, :k].sum(0)
    return float(np.mean(2 * right[there] / both[there]))
