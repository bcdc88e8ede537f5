"""Scores of semantic segmentation from one confusion matrix, which adds up over images.

Truth follows the literature's masks on disk (class ``i`` is value ``i``), predictions follow this
project's label images (0 unlabelled, ``i + 1`` class ``i``), so that neither has to be rewritten
before it is scored.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import InputError
from napari_construct.metrics.ratio import known_mean, ratio

Confusion = npt.NDArray[np.int64]
"""(k, k + 1) pixel counts: rows true classes, columns predicted ones, the last column unlabelled."""


ScoreName: TypeAlias = Literal["miou", "mdice", "fwiou", "iou", "dice"]


class Scores(TypedDict):
    """What :func:`scores_from_confusion` returns; fractions from 0 to 1, nan where undefined."""

    miou: float
    mdice: float
    fwiou: float
    iou: list[float]
    dice: list[float]


def confusion_matrix(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], k: int, ignore: Collection[int] = ()
) -> Confusion:
    """Count pixels by true and predicted class.

    Parameters
    ----------
    truth : ndarray
        (h, w) integers as masks hold them: value ``i`` is class ``i``.
    prediction : ndarray
        (h, w) integers as label images hold them: 0 is unlabelled, ``i + 1`` is class ``i``.
    k : int
        Number of classes.
    ignore : collection of int
        Values of ``truth`` whose pixels are left out, for example 4 for the white of BCSS.

    Returns
    -------
    ndarray
        (k, k + 1) int64. Row ``i`` is true class ``i``, column ``j`` predicted class ``j``, and
        column ``k`` the pixels that were left unlabelled. Matrices of several images may be added.

    Raises
    ------
    InputError
        If the shapes differ, or a value is neither a class nor ignored.
    """
    if truth.shape != prediction.shape:
        raise InputError(
            f"expected truth and prediction of one shape, got {truth.shape} and {prediction.shape}; "
            "check that image and mask belong together"
        )
    kept = ~np.isin(truth, list(ignore))
    rows = truth[kept].astype(np.int64)
    columns = prediction[kept].astype(np.int64) - 1
    _check_range(rows, k, "a mask", "name other values in ignore")
    _check_range(columns + 1, k + 1, "a label image", "check the class table")
    columns[columns < 0] = k
    counts = np.bincount(rows * (k + 1) + columns, minlength=k * (k + 1))
    return counts.reshape(k, k + 1).astype(np.int64)


def scores_from_confusion(matrix: npt.NDArray[np.integer[Any]]) -> Scores:
    """IoU, Dice and their means from a matrix of :func:`confusion_matrix`.

    With ``n_ij`` pixels of true class ``i`` predicted as ``j``, ``t_i`` the pixels of true class ``i``
    (unlabelled ones too, so that each of them is a miss) and ``p_i`` those predicted as ``i``::

        IoU_i  = n_ii / (t_i + p_i - n_ii)
        Dice_i = 2 n_ii / (t_i + p_i)
        fwIoU  = sum_i t_i IoU_i / sum_i t_i

    Parameters
    ----------
    matrix : ndarray
        (k, k + 1) counts; a (k, k) one is read as having nothing unlabelled.

    Returns
    -------
    dict
        ``miou``, ``mdice``, ``fwiou``: float; ``iou``, ``dice``: one float per class. A class that is
        neither in the truth nor in the prediction is nan and left out of the means; the means are nan
        when nothing is left. A class that is predicted but never true scores 0.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2:
        raise InputError(
            f"expected a matrix of shape (k, k + 1), got {counts.shape}; make it with confusion_matrix"
        )
    found = score_arrays(counts)
    return Scores(
        miou=float(found["miou"]),
        mdice=float(found["mdice"]),
        fwiou=float(found["fwiou"]),
        iou=found["iou"].tolist(),
        dice=found["dice"].tolist(),
    )


def score_arrays(matrices: npt.NDArray[Any]) -> dict[ScoreName, npt.NDArray[np.float64]]:
    """:func:`scores_from_confusion` of many matrices at once.

    Parameters
    ----------
    matrices : ndarray
        (..., k, k + 1) counts, or (..., k, k).

    Returns
    -------
    dict of ndarray
        ``miou``, ``mdice``, ``fwiou`` of shape (...); ``iou``, ``dice`` of shape (..., k).
    """
    counts = np.asarray(matrices, dtype=np.float64)
    k = counts.shape[-2] if counts.ndim > 1 else 0
    if not k or counts.shape[-1] not in (k, k + 1):
        raise InputError(
            f"expected matrices of shape (k, k + 1), got {counts.shape}; make them with confusion_matrix"
        )
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    true, predicted = counts.sum(axis=-1), counts[..., :k].sum(axis=-2)
    iou = ratio(hit, true + predicted - hit)
    dice = ratio(2 * hit, true + predicted)
    return {
        "miou": known_mean(iou, axis=-1),
        "mdice": known_mean(dice, axis=-1),
        "fwiou": ratio((true * np.nan_to_num(iou)).sum(axis=-1), true.sum(axis=-1)),
        "iou": iou,
        "dice": dice,
    }


def _check_range(values: npt.NDArray[np.int64], end: int, what: str, remedy: str) -> None:
    strange = np.unique(values[(values < 0) | (values >= end)])
    if strange.size:
        listed = ", ".join(map(str, strange[:5].tolist()))
        raise InputError(f"expected values from 0 to {end - 1} in {what}, got {listed}; {remedy}")


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
