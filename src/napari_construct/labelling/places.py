"""Where patches can be cut from an image: squares side by side, with enough tissue in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.events import Doubt
from napari_construct.exceptions import ConfigurationError
from napari_construct.labelling.settings import LARGEST_SIDE, LEAST_SIDE, CutSettings
from napari_construct.labelling.sources import Opened
from napari_construct.types import BoolMask

MOST_PLACES: Final = 10_000_000
"""Squares of a grid over one image."""

_SAME: Final = 1.05
"""Enlarging by less is not worth a word."""


@dataclass(frozen=True, slots=True)
class Square:
    """Size of a patch: in pixels of its image, and in its own (``shape``), which are ``mpp`` micrometres."""

    height: int
    width: int
    shape: tuple[int, int]
    mpp: float | None
    enlarged: float = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """Squares of one image.

    Attributes
    ----------
    square : Square
        Their size.
    corners : ndarray
        (n, 2) int64: first row and column of each, in pixels of the image.
    notices : tuple of str
        Why there are none, or what should be known of them.
    """

    square: Square
    corners: NDArray[np.int64]
    notices: tuple[str, ...] = ()


def square_of(opened: Opened, settings: CutSettings) -> Square:
    """The size of a patch on an image.

    Raises
    ------
    ConfigurationError
        If the side is given in micrometres and the pixel size of the image is not known, or the side in
        pixels is too small or too large.
    """
    own = opened.mpp
    mpp = settings.mpp if own is not None and settings.mpp is not None else None
    if settings.whole:
        down = None if own is None else (own[0] + own[1]) / 2
        return Square(*opened.shape, opened.shape, down)
    target = mpp if mpp is not None else (None if own is None else (own[0] + own[1]) / 2)
    side = settings.side
    if settings.side_um is not None:
        if target is None:
            raise ConfigurationError(
                "side_um: expected images of known pixel size, got one that does not state it; give the side "
                "in pixels (side), or the pixel size of the images (image_mpp)"
            )
        side = round(settings.side_um / target)
        if not LEAST_SIDE <= side <= LARGEST_SIDE:
            raise ConfigurationError(
                f"side_um: expected a side of {LEAST_SIDE} to {LARGEST_SIDE} pixels, got {side} "
                f"({settings.side_um:g} um at {target:.3g} um per pixel); change one of them"
            )
    if own is None or target is None:
        return Square(side, side, (side, side), None)
    height, width = (max(round(side * target / one), 1) for one in own)
    return Square(height, width, (side, side), target, side / max(height, width))


def places_of(opened: Opened, settings: CutSettings, name: str) -> Places:
    """The squares of an image that hold enough tissue.

    They do not overlap, and are spread evenly where the image is no multiple of them.

    Raises
    ------
    ConfigurationError
        As of :func:`square_of`, and if there were more than ten million.
    """
    square = square_of(opened, settings)
    none = np.zeros((0, 2), np.int64)
    if settings.whole:
        if opened.is_slide:
            said = Doubt(f"{name}: is a slide, and no single patch; cut it into patches")
            return Places(square, none, (said,))
        return Places(square, np.zeros((1, 2), np.int64), opened.notices)
    sides = square.height, square.width
    counts = [whole // part for whole, part in zip(opened.shape, sides, strict=True)]
    if not all(counts):
        h, w = opened.shape
        said = Doubt(
            f"{name}: has {h} x {w} pixels, a patch needs {sides[0]} x {sides[1]} of them; make the patches "
            "smaller, or take images as they are (whole)"
        )
        return Places(square, none, (said,))
    if counts[0] * counts[1] > MOST_PLACES:
        raise ConfigurationError(
            f"{name}: expected at most {MOST_PLACES:,} patches on one image, got {counts[0] * counts[1]:,}; "
            "make them larger"
        )
    tops, lefts = (
        _starts(whole, part, count) for whole, part, count in zip(opened.shape, sides, counts, strict=True)
    )
    share = _shares(opened.tissue(settings.tissue), opened.shape, (tops, lefts), sides)
    wanted = share >= settings.min_tissue if settings.min_tissue else share > 0
    corners = np.stack(np.broadcast_arrays(tops[:, None], lefts[None, :]), axis=-1)[wanted]
    notices = list(opened.notices)
    if opened.mpp is None and settings.mpp is not None:
        notices.append(
            Doubt(
                f"{name}: states no pixel size; patches are cut in its pixels unless you give it (image_mpp)"
            )
        )
    if not len(corners):
        notices.append(Doubt(f"{name}: no patch holds {settings.min_tissue:.0%} of tissue"))
    elif square.enlarged > _SAME:
        notices.append(
            Doubt(
                f"{name}: its pixels are {square.enlarged:.2g} times as large as those of the patches, which "
                "are enlarged and show no more for it"
            )
        )
    return Places(square, corners.astype(np.int64), tuple(notices))


def _starts(whole: int, part: int, count: int) -> NDArray[np.int64]:
    """Starts of ``count`` parts side by side, with equal gaps before, between and after them."""
    gap = (whole - part * count) / (count + 1)
    starts: NDArray[np.int64] = np.rint(gap + np.arange(count) * (part + gap)).astype(np.int64)
    return starts


def _shares(
    mask: BoolMask,
    shape: tuple[int, int],
    starts: tuple[NDArray[np.int64], NDArray[np.int64]],
    sides: tuple[int, int],
) -> NDArray[np.float64]:
    """(rows, columns): share of tissue in each square, to whole pixels of the mask."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    spans = []
    for start, side, whole, pixels in zip(starts, sides, shape, mask.shape, strict=True):
        first = np.clip(np.rint(start * pixels / whole).astype(int), 0, pixels - 1)
        last = np.clip(np.rint((start + side) * pixels / whole).astype(int), first + 1, pixels)
        spans.append((first, last))
    (top, bottom), (left, right) = spans
    inside = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)]
    inside += sums[np.ix_(top, left)] - sums[np.ix_(bottom, left)]
    shares: NDArray[np.float64] = inside / np.outer(bottom - top, right - left)
    return shares
