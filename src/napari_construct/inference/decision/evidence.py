"""Glass, CAMs and probabilities of each pixel, before refinement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from napari_construct.events import Event, Steps
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import sample_maps
from napari_construct.inference.decision.bands import bands
from napari_construct.inference.decision.glass import background_steps
from napari_construct.inference.decision.presence import window_scores
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.refinement.cam import BACKGROUND_EXPONENT, background_probability
from napari_construct.types import FloatArray, RGBImage, ShortRepr

Mask: TypeAlias = npt.NDArray[np.bool_]

Window: TypeAlias = tuple[slice, slice]
"""Rows and columns of a part of an image; both have a start and a stop within the image."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evidence(ShortRepr):
    """Before refinement: ``cams`` and ``probabilities`` (k, h, w), and ``none`` (h, w), that of no class."""

    cams: FloatArray
    probabilities: FloatArray
    none: FloatArray


def glass_steps(image: RGBImage, predictor: Predictor, rule: BackgroundRule | None) -> Steps[Mask]:
    """(h, w) bool, without tissue by the rule, or by that of the model; yields between its parts."""
    if rule is None and predictor.published:
        return np.zeros(image.shape[:2], dtype=np.bool_)  # the published arithmetic knows no such rule
    return (yield from background_steps(image, rule or predictor.calibration.background))


def image_scores(activation: Activation, predictor: Predictor, tissue: Mask) -> tuple[float, ...]:
    """Image-level probability of each class."""
    _, rows, columns = activation.logits.shape
    # the pixel under the centre of each cell speaks for it
    centres = [
        np.minimum((np.arange(n) + 0.5) * side / cells, side - 1).astype(np.intp)
        for n, side, cells in zip((rows, columns), activation.shape, activation.cells, strict=True)
    ]
    at_centres = np.ix_(*centres)
    valid = None if activation.valid is None else activation.valid[at_centres]
    return window_scores(predictor, activation.logits, tissue[at_centres], activation.stride, valid)


def evidence_steps(
    activation: Activation,
    predictor: Predictor,
    presence: tuple[bool, ...],
    glass: Mask,
    *,
    exponent: float = BACKGROUND_EXPONENT,
    window: Window | None = None,
) -> Steps[Evidence]:
    """Maps of the present classes at the image's pixels.

    Parameters
    ----------
    activation, predictor : Activation, Predictor
        The activation, and the model with its calibration.
    presence : tuple of bool
        Per class; absent classes have no probability.
    glass : ndarray
        (h, w) bool of the whole image, or of the window.
    exponent : float
        Exponent of the published preset's background.
    window : tuple of slice, optional
        Only this part of the image.

    Yields
    ------
    Event
        After some rows.

    Returns
    -------
    Evidence
        Arrays of the size of the image, or of the window.
    """
    h, w = glass.shape
    top, columns = (0, slice(0, w)) if window is None else (window[0].start, window[1])
    k = len(presence)
    cams, probabilities = (np.empty((k, h, w), np.float32) for _ in range(2))
    none = np.empty((h, w), np.float32)
    for rows in bands(h, w):
        part = slice(top + rows.start, top + rows.stop), columns
        done = _band(activation, predictor, presence, glass[rows], part, exponent)
        cams[:, rows], probabilities[:, rows], none[rows] = done
        yield Event("refine", 0, 1)
    return Evidence(cams, probabilities, none)


def _band(
    activation: Activation,
    predictor: Predictor,
    presence: tuple[bool, ...],
    glass: Mask,
    window: Window,
    exponent: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``cams``, ``probabilities`` and ``none`` of some rows."""
    present = torch.tensor(presence)
    if activation.rescaled is None:
        logits = torch.from_numpy(
            sample_maps(activation.logits, activation.shape, activation.cells, window=window)
        )
        logits /= predictor.calibration.temperature
        probabilities = torch.zeros_like(logits)
        if any(presence):
            offsets = torch.tensor(predictor.calibration.class_offsets or (0.0,) * len(presence))
            probabilities[present] = (logits + offsets[:, None, None])[present].softmax(0)
        cams, none = logits.sigmoid_(), np.zeros(glass.shape, dtype=np.float32)
    else:
        cams = torch.from_numpy(
            sample_maps(
                activation.rescaled, activation.shape, activation.cells, align_corners=True, window=window
            )
        )
        cams[~present] = 0
        both = torch.cat([cams, background_probability(cams[None], exponent)[0]]).softmax(0)
        probabilities, none = both[:-1], both[-1].numpy()
    probabilities[:, torch.from_numpy(glass)] = 0
    none[glass] = 1
    return cams.numpy(), probabilities.numpy(), none
