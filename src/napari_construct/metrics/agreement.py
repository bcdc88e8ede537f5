"""Agreement of two annotations beyond chance: Cohen's kappa, beside Dice and accuracy.

With ``n_ij`` items that the first calls ``i`` and the second ``j``, rows ``r_i``, columns ``c_i`` and ``n``
items in all (Cohen 1960)::

    p_o = sum_i n_ii / n        p_e = sum_i r_i c_i / n^2        kappa = (p_o - p_e) / (1 - p_e)

The kappa of one class is that of "this class" against "anything else". All scores need the diagonal and the
two margins only, so these are kept for each image where the matrix of many classes would be large.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_construct.metrics.ratio import ratio

Floats = npt.NDArray[np.float64]


class Margins(NamedTuple):
    """What a square matrix of counts says about agreement; the arrays of several may be added.

    Attributes
    ----------
    hits, first, second : ndarray
        (..., n): items that both call ``i``; that the first does; that the second does.
    """

    hits: npt.NDArray[Any]
    first: npt.NDArray[Any]
    second: npt.NDArray[Any]

    @classmethod
    def of(cls, matrix: npt.NDArray[Any]) -> Margins:
        """Of (..., n, n) counts: rows the first's classes, columns the second's."""
        return cls(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2))

    def __add__(self, other: Margins) -> Margins:  # type: ignore[override]
        return Margins(*(one + two for one, two in zip(self, other, strict=True)))


class AgreementScores(NamedTuple):
    """Scores; nan where undefined.

    Attributes
    ----------
    kappa, accuracy : ndarray
        (...): over all classes.
    class_kappa, dice : ndarray
        (..., n): of each class.
    """

    kappa: Floats
    accuracy: Floats
    class_kappa: Floats
    dice: Floats


def agreement_scores(margins: Margins) -> AgreementScores:
    """Kappa, accuracy and Dice of counts.

    A class that neither uses has no Dice and no kappa. Kappa is nan, too, where both call all items the
    same: no agreement beyond chance is possible then.
    """
    hits, first, second = (np.asarray(part, dtype=np.float64) for part in margins)
    total = first.sum(axis=-1)
    whole = total[..., None]
    observed, expected = hits.sum(axis=-1) * total, (first * second).sum(axis=-1)
    here = (whole - first - second + 2 * hits) * whole
    chance = first * second + (whole - first) * (whole - second)
    used = first + second > 0
    return AgreementScores(
        kappa=_kappa(observed, expected, total**2),
        accuracy=ratio(hits.sum(axis=-1), total),
        class_kappa=np.where(used, _kappa(here, chance, whole**2), np.nan),
        dice=ratio(2 * hits, first + second),
    )


def _kappa(observed: Any, expected: Any, square: Any) -> Floats:
    """(p_o - p_e) / (1 - p_e), both times the square of the number of items."""
    left = np.where(square - expected > 1e-12 * square, square - expected, 0.0)
    sign = np.sign(observed - expected)  # a ratio of what may be below 0
    return np.asarray(sign * ratio(np.abs(observed - expected), left))
