"""Areas of classes: their pixels and parts, and the shares in tables, records and layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.types import FloatArray, LabelImage

PERCENT_OF_TISSUE: Final = "percent_of_tissue"
"""Key of an area: its share of all that is no background."""
PERCENT_OF_LABELLED: Final = "percent_of_labelled"
"""The same of a mask whose tissue is not known: its share of all labelled pixels."""


def class_pixels(labels: NDArray[Any], k: int, weights: FloatArray | None = None) -> NDArray[Any]:
    """(k,) pixels of each class, or the sum of their weights; label ``i + 1`` is class ``i``."""
    flat = None if weights is None else weights.ravel()
    counts: NDArray[Any] = np.bincount(labels.ravel(), weights=flat, minlength=k + 1)[1 : k + 1]
    return counts


def class_areas(
    names: Iterable[str], pixels: NDArray[Any], tissue: int | None, square: float | None
) -> list[dict[str, Any]]:
    """A row for each class: pixels, share in percent, and mm2 where the area of a pixel is known.

    Parameters
    ----------
    names : iterable of str
        Of the classes.
    pixels : ndarray
        (k,) of each class.
    tissue : int or None
        Pixels with tissue; None where that is not known, and shares are of all labelled pixels.
    square : float or None
        Square micrometres of a pixel.
    """
    counts: list[int] = pixels.tolist()
    share, whole = share_and_whole(pixels, tissue)
    return [
        {"class": name, "pixels": count, share: 100.0 * count / whole}
        | ({} if square is None else {"mm2": float(count) * square * 1e-6})
        for name, count in zip(names, counts, strict=False)
    ]


def share_and_whole(pixels: NDArray[Any], tissue: int | None) -> tuple[str, int]:
    """What the share of a class is called, and of how many pixels it is one; as of :func:`class_areas`."""
    name = PERCENT_OF_LABELLED if tissue is None else PERCENT_OF_TISSUE
    return name, max(tissue or 0, int(pixels.sum()), 1)  # what was painted on glass is tissue to the painter


def class_means(total: NDArray[Any], pixels: NDArray[Any]) -> NDArray[np.float64]:
    """(k,) means over the pixels of each class, whose sums are ``total``; NaN where it has none."""
    mean = np.full(len(pixels), np.nan)
    np.divide(total, pixels, out=mean, where=pixels > 0)
    return mean


def class_components(labels: LabelImage, k: int) -> NDArray[np.intp]:
    """(k,) connected parts of each class in one plane."""
    from skimage.measure import label

    parts, count = label(labels, background=0, connectivity=2, return_num=True)  # type: ignore[no-untyped-call]
    classes = np.zeros(count + 1, dtype=labels.dtype)
    classes[parts] = labels
    found: NDArray[np.intp] = np.bincount(classes[1:], minlength=k + 1)[1 : k + 1]
    return found


def tissue_of(pixels: Iterable[int], percents: Iterable[float]) -> int | None:
    """Tissue pixels that areas and their ``percent_of_tissue`` stand for; None where all shares are zero."""
    share = float(sum(percents))
    return round(100 * float(sum(pixels)) / share) if share > 0 else None


def share_of(area: Mapping[str, Any]) -> float:
    """The share of a row of ``areas`` in percent, of the tissue where that is known."""
    share: float = area[PERCENT_OF_TISSUE if PERCENT_OF_TISSUE in area else PERCENT_OF_LABELLED]
    return share


def stored_area(area: Mapping[str, Any]) -> dict[str, Any]:
    """An area of a record or ledger, in today's words: its share of the tissue was just "percent" once."""
    return {PERCENT_OF_TISSUE if key == "percent" else key: value for key, value in area.items()}
