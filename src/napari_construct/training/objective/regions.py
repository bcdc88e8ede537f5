"""Foreground and background of each class that an image is labelled with, as embeddings.

Two ways lead from a CAM to embeddings. "tokens" pools the map that the CAM is read from under the soft
mask. "regions" fades the image outside the mask and encodes it again. In the ``construct`` preset gradient
flows through the mask in both, so that they train CAM, features and prototypes; as published, encoder and
mask are outside the graph and only the prototypes learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from napari_construct.encoders.protocol import Encoder, TextEncoder
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.network.construct import ConstructOutput
from napari_construct.models.network.released_arithmetic import region_crops
from napari_construct.refinement.regions import RegionWeights, region_weights
from napari_construct.training.views.batch import Parts


@dataclass(frozen=True, slots=True)
class Regions:
    """One row for each pair of a part of a view and a class in it.

    Attributes
    ----------
    foreground, background : Tensor
        (r, c) embeddings.
    classes : Tensor
        (r,) index of the class.
    prototypes : Tensor
        (k * p, c) prototypes in the space of the embeddings.
    labels : Tensor
        (r, k) all classes of the part.
    """

    foreground: Float[Tensor, "r c"]
    background: Float[Tensor, "r c"]
    classes: Int[Tensor, " r"]
    prototypes: Float[Tensor, "kp c"]
    labels: Float[Tensor, "r k"]


@dataclass(frozen=True, slots=True)
class RegionMasks:
    """Soft masks on the CAM's grid, with gradient; rows as in :class:`Regions`.

    Attributes
    ----------
    images, classes : Tensor
        (r,) index of the view and of the class.
    foreground, background : Tensor
        (r, h, w) probability of the class, and of its absence, within the part.
    labels : Tensor
        (r, k) all classes of the part.
    """

    images: Int[Tensor, " r"]
    classes: Int[Tensor, " r"]
    foreground: Float[Tensor, "r h w"]
    background: Float[Tensor, "r h w"]
    labels: Float[Tensor, "r k"]


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
        'needs it (contrast_form "regions", prototype_start "text")'
    )


def region_masks(cam: Float[Tensor, "b k h w"], parts: Parts) -> RegionMasks:
    """Masks of every class in every part."""
    part, classes = parts.labels.nonzero(as_tuple=True)
    images, place = parts.image[part], parts.place[part]
    probability = cam.float().sigmoid()[images, classes]
    return RegionMasks(images, classes, probability * place, (1 - probability) * place, parts.labels[part])


def pooled_regions(output: ConstructOutput, parts: Parts) -> Regions:
    """Means of the unit embeddings of all pixels, weighted with the masks."""
    masks = region_masks(output.cam, parts)
    pixels = F.normalize(output.embedding.float(), dim=1).flatten(2)[masks.images]
    return Regions(
        foreground=_weighted_mean(pixels, masks.foreground.flatten(1)),
        background=_weighted_mean(pixels, masks.background.flatten(1)),
        classes=masks.classes,
        prototypes=F.normalize(output.projected.float(), dim=-1),
        labels=masks.labels,
    )


def encoded_regions(
    output: ConstructOutput, images: Float[Tensor, "b 3 h w"], parts: Parts, encoder: TextEncoder
) -> Regions:
    """Embeddings of the image under the masks, with gradient into the masks through the frozen encoder.

    Parameters
    ----------
    output : ConstructOutput
        Of ``images``.
    images : Tensor
        RGB in [0, 1].
    parts : Parts
        Of the views.
    encoder : TextEncoder
        Its images are faded towards the mean of its normalisation.
    """
    masks = region_masks(output.cam, parts)
    size = (images.shape[-2], images.shape[-1])
    weights = RegionWeights(
        masks.images, masks.classes, _enlarged(masks.foreground, size), _enlarged(masks.background, size)
    )
    foreground, background = (
        encoder.embed_images(crops).float() for crops in region_crops(images, weights, encoder.spec.mean)
    )
    return Regions(foreground, background, masks.classes, output.prototypes.float(), masks.labels)


def published_regions(
    output: ConstructOutput,
    images: Float[Tensor, "b 3 h w"],
    labels: Float[Tensor, "b k"],
    encoder: TextEncoder,
) -> Regions:
    """Embeddings as the released code makes them: hard-edged masks, nothing carries gradient."""
    with torch.no_grad():
        size = (images.shape[-2], images.shape[-1])
        weights = region_weights(output.cam.detach().float(), labels, size)
        foreground, background = (
            encoder.embed_images(crops) for crops in region_crops(images, weights, encoder.spec.mean)
        )
    return Regions(
        foreground.float(), background.float(), weights.classes, output.prototypes.float(),
        labels[weights.images],
    )  # fmt: skip


def _enlarged(masks: Float[Tensor, "r h w"], size: tuple[int, int]) -> Float[Tensor, "r 1 h2 w2"]:
    return F.interpolate(masks[:, None], size, mode="bilinear", align_corners=False)


def _weighted_mean(pixels: Float[Tensor, "r c n"], weight: Float[Tensor, "r n"]) -> Float[Tensor, "r c"]:
    total = weight.sum(-1, keepdim=True).clamp_min(1e-6)
    return torch.einsum("rcn,rn->rc", pixels, weight) / total
