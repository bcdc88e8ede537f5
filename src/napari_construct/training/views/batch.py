"""A batch: views with labels, and their frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from napari_construct.training.views.mosaic import share_of_cells


@dataclass(frozen=True, slots=True)
class Features:
    """What does not change while the head is trained.

    Attributes
    ----------
    student : tuple of Tensor
        The encoder's levels, finest first.
    teacher : tuple of Tensor
        The teacher's levels that are distilled, in the order of the guidance levels; empty without a
        distillation.
    """

    student: tuple[Tensor, ...]
    teacher: tuple[Tensor, ...] = ()

    def part(self, rows: slice) -> Features:
        """Those of some of the views."""
        return Features(
            tuple(level[rows] for level in self.student), tuple(level[rows] for level in self.teacher)
        )


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Views of patches with the classes that occur in the patches.

    Attributes
    ----------
    images : Tensor or None
        (b, 3, h, w) RGB in [0, 1]; None where only features are needed and known.
    labels : Tensor
        (b, k) float, 1 where the class occurs.
    pasted : Tensor or None
        (b, h, w) bool, where a strip of another patch lies (see :mod:`~.mosaic`);
        ``labels`` are then those of both parts.
    parts : tuple of Tensor
        With ``pasted``, (b, k) labels of the patch and of its strip.
    features : Features or None
        Of the images, where they are known already.
    pseudo_labels : Tensor or None
        (b, h, w) uint8, class of each pixel, ``UNKNOWN`` without a pseudo label (see
        :mod:`~napari_construct.training.loop.pseudo_labels`).
    """

    images: Float[Tensor, "b 3 h w"] | None
    labels: Float[Tensor, "b k"]
    pasted: Bool[Tensor, "b h w"] | None = None
    parts: tuple[Tensor, ...] = ()
    features: Features | None = None
    pseudo_labels: UInt8[Tensor, "b h w"] | None = None

    def part(self, rows: slice) -> TrainingBatch:
        """Some of the views."""
        return TrainingBatch(
            None if self.images is None else self.images[rows],
            self.labels[rows],
            None if self.pasted is None else self.pasted[rows],
            tuple(labels[rows] for labels in self.parts),
            None if self.features is None else self.features.part(rows),
            None if self.pseudo_labels is None else self.pseudo_labels[rows],
        )


def mosaic_batch(
    images: Float[Tensor, "b 3 h w"] | None,
    labels: Float[Tensor, "b k"],
    pasted: Bool[Tensor, "b h w"],
    other: Float[Tensor, "b k"],
    features: Features | None = None,
) -> TrainingBatch:
    """Batch of views with strips; ``other`` holds the labels of the patches that strips come from."""
    there = pasted.flatten(1).any(1)[:, None]
    both = torch.where(there, torch.maximum(labels, other), labels)
    return TrainingBatch(images, both, pasted, (labels, other), features)


@dataclass(frozen=True, slots=True)
class Parts:
    """Every part of every view that is there: whole views, or patches first and then their strips.

    Attributes
    ----------
    image : Tensor
        (q,) the view each part belongs to.
    labels : Tensor
        (q, k) classes of the part.
    place : Tensor
        (q, h, w) share of each CAM cell that belongs to the part.
    """

    image: Tensor
    labels: Float[Tensor, "q k"]
    place: Float[Tensor, "q h w"]


def parts_of(batch: TrainingBatch, shape: tuple[int, int]) -> Parts:
    """Parts of a batch on a CAM of ``shape`` cells."""
    images = torch.arange(len(batch.labels), device=batch.labels.device)
    if batch.pasted is None:
        return Parts(images, batch.labels, batch.labels.new_ones((len(images), *shape)))
    strip = share_of_cells(batch.pasted, shape)
    own, other = batch.parts
    there = strip.flatten(1).amax(1) > 0
    return Parts(
        torch.cat([images, images[there]]),
        torch.cat([own, other[there]]),
        torch.cat([1 - strip, strip[there]]),
    )
