"""Logits with their labels, of parts of a mosaic or of cells of the CAM, and what they lose."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.losses.partial_labels import is_informative, presence_loss
from napari_construct.models.network.pooling import pool_logits
from napari_construct.training.views.batch import TrainingBatch, parts_of
from napari_construct.training.views.mosaic import share_of_cells
from napari_construct.training.views.partial_masks import UNKNOWN, at_cells


def part_logits(
    cam: Float[Tensor, "b k h w"], batch: TrainingBatch, pooling: str
) -> tuple[Float[Tensor, "q k"], Float[Tensor, "q k"]]:
    """Pooled logits and labels of every part of a mosaic: patches first, then strips."""
    parts = parts_of(batch, (cam.shape[-2], cam.shape[-1]))
    return pool_logits(cam[parts.image], pooling, parts.place), parts.labels


def cell_logits(
    cam: Float[Tensor, "b k h w"], batch: TrainingBatch
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Logits and labels of every cell of the CAM: its pseudo label if it has one, else the labels of its
    part.
    """
    labels = batch.labels[:, :, None, None].expand_as(cam)
    if batch.pasted is not None:
        strip = share_of_cells(batch.pasted, (cam.shape[-2], cam.shape[-1]))[:, None] > 0.5
        own, other = (part[:, :, None, None] for part in batch.parts)
        labels = torch.where(strip, other, own)
    if batch.pseudo_labels is not None:
        named = at_cells(batch.pseudo_labels, (cam.shape[-2], cam.shape[-1])).long()
        known = (named != UNKNOWN)[:, None]
        one = F.one_hot(named.clamp_max(cam.shape[1] - 1), cam.shape[1]).movedim(-1, 1)
        labels = torch.where(known, one.to(labels), labels)
    return cam.movedim(1, -1).flatten(0, -2), labels.movedim(1, -1).flatten(0, -2)


class CellLosses(NamedTuple):
    """What cells lose with partial labels, and the classes of mixed patches by being nowhere.

    Attributes
    ----------
    partial, presence : Tensor
        Means over what was asked; 0 of nothing.
    cells, asked : int
        Cells that labels say something of; classes of mixed patches.
    """

    partial: Float[Tensor, ""]
    cells: int
    presence: Float[Tensor, ""]
    asked: int


def cell_losses(
    cam: Float[Tensor, "b k h w"], batch: TrainingBatch, partial: Callable[[Tensor, Tensor], Tensor]
) -> CellLosses:
    """Losses of image-level labels on every cell of a CAM.

    Parameters
    ----------
    cam : Tensor
        Logits of the batch's images.
    batch : TrainingBatch
        Its labels, mosaics and pseudo labels.
    partial : callable
        :func:`~napari_construct.losses.partial_labels.partial_label_loss`, or its balanced form.
    """
    logits, labels = cell_logits(cam, batch)
    pooled, of_parts = part_logits(cam, batch, "strongest")
    return CellLosses(
        partial(logits, labels),
        int(is_informative(labels).sum()),
        presence_loss(pooled, of_parts),
        int(of_parts[of_parts.sum(1) > 1].sum()),
    )
