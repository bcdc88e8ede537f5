r"""Contrast of regions that relies on image-level labels only.

The published contrast pulls the rest of a patch to the prototypes of the other classes. In a patch of one
class that is wrong: there is no other class. But a patch without class c surely holds no region of c. So the
negatives of a region are regions of patches without its class, from the batch and from a memory bank with
labels. The rest of a patch is pushed from the class only if the patch holds another class, too; it is pulled
to none.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from napari_construct.losses.info_nce import (
    TEMPERATURE,
    ContrastLosses,
    info_nce,
    own_prototypes,
    repulsion,
)
from napari_construct.losses.memory_bank import MemoryBank


def labelled_contrast(
    foreground: Float[Tensor, "r d"],
    background: Float[Tensor, "r d"],
    prototypes: Float[Tensor, "p d"],
    classes: Int[Tensor, " r"],
    labels: Float[Tensor, "r k"],
    owners: Int[Tensor, " p"] | None = None,
    *,
    bank: Float[Tensor, "m d"] | None = None,
    bank_labels: Float[Tensor, "m k"] | None = None,
    temperature: float = TEMPERATURE,
) -> ContrastLosses:
    r"""Foreground towards its class and away from patches without it; background away from its class.

    The foreground term is :func:`~napari_construct.losses.info_nce.info_nce`: positives are the prototypes of
    the region's class c, negatives all other prototypes and every region, of the batch or the bank, whose
    patch is not labelled c. The background term is :func:`~napari_construct.losses.info_nce.repulsion` from
    the prototypes of c, over the rows whose patch holds at least two classes; without such rows it is 0.

    Parameters
    ----------
    foreground, background : Tensor
        Embeddings of the regions of each pair of patch and class.
    prototypes : Tensor
        In the space of the embeddings.
    classes : Tensor
        Class of each region.
    labels : Tensor
        1 where a class occurs in the region's patch.
    owners : Tensor, optional
        Class of each prototype; prototype i belongs to class i by default.
    bank, bank_labels : Tensor, optional
        Foregrounds of earlier steps and the labels of their patches.
    temperature : float
        tau.
    """
    own = own_prototypes(prototypes, classes, owners)
    others, other_labels = foreground, labels
    if bank is not None and bank_labels is not None:
        others = torch.cat([foreground, bank.to(foreground)])
        other_labels = torch.cat([labels, bank_labels.to(labels)])
    certain = other_labels.T[classes] == 0  # (r, m): the patch does not hold the row's class
    pulled = info_nce(foreground, prototypes, own, temperature, extra_negatives=others, extra_for=certain)
    mixed = labels.sum(1) > 1
    return ContrastLosses(pulled, repulsion(background[mixed], prototypes, own[mixed], temperature))


class LabelledContrast(nn.Module):
    """:func:`labelled_contrast` with its own memory bank, fed with foregrounds while training."""

    def __init__(
        self, width: int, n_classes: int, size: int = 2048, temperature: float = TEMPERATURE
    ) -> None:
        super().__init__()
        self.bank = MemoryBank(size, width, n_classes)
        self.temperature = temperature

    def forward(
        self,
        foreground: Tensor,
        background: Tensor,
        prototypes: Tensor,
        classes: Tensor,
        labels: Tensor,
        owners: Tensor | None = None,
    ) -> Tensor:
        losses = labelled_contrast(
            foreground, background, prototypes, classes, labels, owners,
            bank=self.bank.contents(), bank_labels=self.bank.kept_labels(), temperature=self.temperature,
        )  # fmt: skip
        if self.training:
            self.bank.push(foreground, labels)
        return losses.foreground + losses.background
