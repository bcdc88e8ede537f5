"""Soft foreground and background of a class, for the contrast loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from napari_construct.refinement.cam import enlarge


@dataclass(frozen=True, slots=True)
class RegionWeights:
    """One row for each pair of image and class in it, in row order of the labels.

    Attributes
    ----------
    images, classes : Tensor
        (r,) index of the image and of the class.
    foreground, background : Tensor
        (r, 1, h, w) weights.
    """

    images: Int[Tensor, " r"]
    classes: Int[Tensor, " r"]
    foreground: Float[Tensor, "r 1 h w"]
    background: Float[Tensor, "r 1 h w"]


def region_weights(
    cam: Float[Tensor, "b k h w"],
    labels: Float[Tensor, "b k"],
    size: tuple[int, int],
    *,
    alpha: float = 0.5,
    per_class: bool = False,
) -> RegionWeights:
    """Weights ``mask * a`` and ``(1 - mask) * (1 - a)`` with ``mask = a >= alpha * max a``.

    The activation ``a`` is the ReLU of the CAM logits, enlarged (ConStruct, section 2.3, and the
    released code). It is not scaled to [0, 1]: where it exceeds 1, background weights are negative.
    The crops are made with these weights about the mean of the region encoder's normalisation
    (:func:`napari_construct.refinement.views.scale_about`), because the released code multiplies the
    normalised image.

    Parameters
    ----------
    cam : Tensor
        Logits.
    labels : Tensor
        1 where the class occurs in the image.
    size : tuple of int
        Height and width of the weights.
    alpha : float
        Share of the maximum from which a pixel is foreground.
    per_class : bool
        Whether the maximum is the class's own; the released code takes it over all classes of the image,
        so that a weak class can end with no foreground at all.
    """
    activation = enlarge(F.relu(cam), size)
    highest = activation.amax((2, 3), keepdim=True)
    if not per_class:
        highest = highest.amax(1, keepdim=True)
    mask = (activation >= alpha * highest).to(activation)
    images, classes = labels.nonzero(as_tuple=True)
    a, m = activation[images, classes][:, None], mask[images, classes][:, None]
    return RegionWeights(images, classes, m * a, (1 - m) * (1 - a))
