"""Precision and recall of pixels from a confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_construct.metrics.ratio import ratio

Floats = npt.NDArray[np.float64]


def precision_recall(matrix: npt.NDArray[np.integer[Any]]) -> tuple[Floats, Floats]:
    """Share of the pixels predicted as a class that are of it, and of its pixels that were found.

    With ``n_ij`` pixels of true class ``i`` predicted as ``j``::

        precision_i = n_ii / sum_j n_ji        recall_i = n_ii / sum_j n_ij

    Parameters
    ----------
    matrix : ndarray
        (k, k + 1) counts of :func:`~napari_construct.metrics.segmentation.confusion_matrix`; pixels that
        were left unlabelled (the last column) are misses.

    Returns
    -------
    precision, recall : ndarray
        (k,) each; nan for a class that is never predicted, or never true.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    k = counts.shape[0]
    hit = np.diagonal(counts)[:k]
    return ratio(hit, counts[:, :k].sum(axis=0)), ratio(hit, counts.sum(axis=1))
