"""From class activation maps to probabilities, as published.

The released code turns CAM logits into probabilities over the classes and a background in five
steps: ReLU, per-class min-max, upsampling and the mean over the views, classes that the image is
labelled with, background ``(1 - max)^10``, softmax. Min-max stretches every class to 1 somewhere in
every image, and a softmax over values in [0, 1] cannot exceed ``e / (e + k)``: 0.405 with four
classes and a background. The ``construct`` preset therefore keeps logits and divides
them by a calibrated temperature instead.

``benchmarks/parity.py`` compares every step with numbers of the released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.types import RGBImage

BACKGROUND_EXPONENT: Final = 10.0
_EPSILON: Final = 1e-8


def rescale(cam: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """ReLU, then each class of each image from its own minimum to maximum onto [0, 1].

    A class that is nowhere positive stays 0.
    """
    positive = F.relu(cam)
    low, high = positive.amin((2, 3), keepdim=True), positive.amax((2, 3), keepdim=True)
    return (positive - low) / (high - low + _EPSILON)


def enlarge(maps: Float[Tensor, "b k h w"], size: Sequence[int]) -> Float[Tensor, "b k h2 w2"]:
    """Bilinear upsampling with corners aligned, as released.

    The centre of a corner cell lands on the corner pixel, so that a 7 x 7 map is stretched by up to
    half a cell (16 pixels of 224) towards the border.
    """
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=True)


def background_probability(
    activation: Float[Tensor, "b k h w"], exponent: float = BACKGROUND_EXPONENT
) -> Float[Tensor, "b 1 h w"]:
    """(1 - maximum over the classes) ** exponent, for activations in [0, 1]."""
    return (1 - activation.amax(1, keepdim=True)).clamp_min(0) ** exponent


def published_probabilities(
    cams: Sequence[Float[Tensor, "b k h w"]],
    labels: Tensor,
    size: Sequence[int],
    exponent: float = BACKGROUND_EXPONENT,
) -> Float[Tensor, "b k1 h2 w2"]:
    """Probabilities over the classes and, last, the background.

    Parameters
    ----------
    cams : sequence of Tensor
        (b, k, h, w) logits of each view, already turned back to the image's orientation.
    labels : Tensor
        (b, k), 1 where the class is said to occur: the released code takes the ground truth here.
    size : sequence of int
        Height and width of the result.
    exponent : float
        Of the background.

    Returns
    -------
    Tensor
        (b, k + 1, h2, w2), sums to 1.
    """
    activation = torch.stack([enlarge(rescale(cam), size) for cam in cams]).mean(0)
    activation = activation * labels.to(activation)[:, :, None, None]
    return torch.cat([activation, background_probability(activation, exponent)], 1).softmax(1)


def published_crf_image(
    image: RGBImage | npt.NDArray[Any], mean: Sequence[float], std: Sequence[float]
) -> RGBImage:
    """The picture the released code hands to the CRF: normalised, put back, truncated to uint8.

    In float32 the way there and back misses some integers from below, and truncation then makes
    them one grey level darker. That moves a few pixels in ten thousand of a mask.

    Parameters
    ----------
    image : ndarray
        (..., 3) uint8.
    mean, std : sequence of float
        Of the normalisation, for images in [0, 1].
    """
    m, s = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    there = (image.astype(np.float32) / np.float32(255) - m) / s
    back: RGBImage = np.clip((there * s + m) * np.float32(255), 0, 255).astype(np.uint8)
    return back
