"""Foreground and background of each class that an image is labelled with, as embeddings.

The contrast pulls a class's foreground to its prototypes and pushes its background away from them.
Two ways lead from a CAM to those embeddings. "tokens" pools the map the CAM is read from under the
soft mask: cheap, and the gradient reaches CAM, features and prototypes. "regions" multiplies the image
with the mask and encodes it again (the published way): the encoder is frozen and so is the mask, so
only the prototypes learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from napari_construct.encoders.protocol import Encoder, TextEncoder
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.construct import ConstructOutput
from napari_construct.models.published import region_crops
from napari_construct.refinement.regions import region_weights


@dataclass(frozen=True, slots=True)
class Regions:
    """One row per pair of image and class in it, in row order of the labels.

    Attributes
    ----------
    foreground, background : Tensor
        (r, c) embeddings.
    classes : Tensor
        (r,) index of the class.
    prototypes : Tensor
        (k * p, c) prototypes in the space of the embeddings.
    """

    foreground: Float[Tensor, "r c"]
    background: Float[Tensor, "r c"]
    classes: Int[Tensor, " r"]
    prototypes: Float[Tensor, "kp c"]


def has_text(encoder: object) -> bool:
    """Whether an encoder embeds images and texts in one space."""
    return isinstance(encoder, TextEncoder) and encoder.spec.embedding_width is not None


def text_encoder(encoder: object) -> TextEncoder:
    """The encoder, if it embeds images and texts.

    Raises
    ------
    ConfigurationError
        If it does not.
    """
    if isinstance(encoder, TextEncoder) and encoder.spec.embedding_width is not None:
        return encoder
    name = encoder.spec.id if isinstance(encoder, Encoder) else type(encoder).__name__
    raise ConfigurationError(
        f"expected an encoder with image and text embeddings, got {name}; choose one, or leave out what "
        'needs it (contrast_form "regions")'
    )


def pooled_regions(output: ConstructOutput, labels: Float[Tensor, "b k"]) -> Regions:
    """Mean of the unit embeddings of all pixels, weighted by the class's probability or its rest."""
    image, classes = labels.nonzero(as_tuple=True)
    mask = output.cam.float().sigmoid()[image, classes].flatten(1)
    pixels = F.normalize(output.embedding.float(), dim=1).flatten(2)[image]
    return Regions(
        foreground=_weighted_mean(pixels, mask),
        background=_weighted_mean(pixels, 1 - mask),
        classes=classes,
        prototypes=F.normalize(output.projected.float(), dim=-1),
    )


def encoded_regions(
    output: ConstructOutput,
    images: Float[Tensor, "b 3 h w"],
    labels: Float[Tensor, "b k"],
    encoder: TextEncoder,
    *,
    published: bool = False,
) -> Regions:
    """Embeddings of the image under the mask and under its rest; masks carry no gradient.

    Parameters
    ----------
    output : ConstructOutput
        Of ``images``.
    images : Tensor
        RGB in [0, 1].
    labels : Tensor
        1 where the class occurs.
    encoder : TextEncoder
        Frozen; its images are faded towards the mean of its normalisation.
    published : bool
        Whether activations and thresholds follow the released code (logits as they are, one maximum
        for all classes), or each class is scaled to [0, 1] first.
    """
    with torch.no_grad():
        cam = output.cam.detach().float()
        if not published:
            cam = cam / cam.amax((2, 3), keepdim=True).clamp_min(1e-6)
        size = (images.shape[-2], images.shape[-1])
        weights = region_weights(cam, labels, size, per_class=not published)
        foreground, background = (
            encoder.embed_images(crops) for crops in region_crops(images, weights, encoder.spec.mean)
        )
    return Regions(foreground.float(), background.float(), weights.classes, output.prototypes.float())


def _weighted_mean(pixels: Float[Tensor, "r c n"], weight: Float[Tensor, "r n"]) -> Float[Tensor, "r c"]:
    total = weight.sum(-1, keepdim=True).clamp_min(1e-6)
    return torch.einsum("rcn,rn->rc", pixels, weight) / total
