r"""The objective of a distillation.

.. math:: L = \sum_i e^{-s_i} L_i + s_i, \qquad i \in \{\text{probability}, \text{boundary}, \text{truth}\}

with learned :math:`s_i` (Kendall et al. 2018), or the plain sum of :math:`L_i`. No formula of the paper is
public: the terms are ours, each after what its own module names.

* probability: squared difference of foreground probabilities, wherever there is an image.
* boundary: foreground in the band around the teacher's contours, and the boundary map, both by cross-entropy
  and Dice.
* truth: foreground and boundary map against drawn cells, by cross-entropy and Dice, where cells were drawn.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import torch
from torch import Tensor, nn

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.views.draw import ViewBatch
from napari_construct.losses.boundary_aware import boundary_aware, boundary_map
from napari_construct.losses.mask_truth import mask_truth
from napari_construct.losses.probability_matching import probability_matching
from napari_construct.losses.uncertainty_weights import UncertaintyWeights
from napari_construct.models.network.channel_unet import ChannelOutput, ChannelUNet

_WEIGHT: Final = "s "
"""Before the name of a term: its learned s."""


class DistilTask(nn.Module):
    """A student and what it is trained for.

    Parameters
    ----------
    student : ChannelUNet
        Of one channel.
    config : DistilConfig
        Terms, and whether their weights are learned.
    known : collection of str, optional
        Terms of which at least one image has something to say; all by default. Of the others nothing is
        reported: their s has no gradient and stays where it began. It is kept, so that states of runs do not
        depend on it.
    """

    def __init__(
        self, student: ChannelUNet, config: DistilConfig, known: Collection[str] | None = None
    ) -> None:
        super().__init__()
        self.student, self.terms = student, config.terms
        self._silent = frozenset(config.terms).difference(config.terms if known is None else known)
        # of one term the optimal weight only changes the learning rate
        learned = config.learned_weights and len(config.terms) > 1
        self.weights = UncertaintyWeights(config.terms) if learned else None

    def forward(self, batch: ViewBatch) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch; and all numbers to report: "loss", each term, and ``s TERM``."""
        output: ChannelOutput = self.student(batch.images)
        losses = {name: term for name in self.terms if (term := self._term(name, output, batch)) is not None}
        if not losses:  # a batch of images without truth, with the truth alone
            total = output.foreground.sum() * 0
        elif self.weights is None:
            total = torch.stack(list(losses.values())).sum()
        else:
            total = self.weights(losses).total
        found = {"loss": float(total.detach())} | {name: float(v.detach()) for name, v in losses.items()}
        if self.weights is not None:
            found |= {f"{_WEIGHT}{name}": value for name, value in self.weights.values().items()}
        return total, {name: value for name, value in found.items() if self.reports(name)}

    def reports(self, name: str) -> bool:
        """Whether a number is of a term that any image has something to say of, or of no term."""
        return name.removeprefix(_WEIGHT) not in self._silent

    def _term(self, name: str, output: ChannelOutput, batch: ViewBatch) -> Tensor | None:
        """One term; None where the batch has nothing to say of it."""
        inside = batch.target("inside")
        if name == "probability":
            return probability_matching(output.foreground, batch.target("foreground"), inside)
        if name == "boundary":
            decided = (batch.target("foreground") >= 0.5).float()
            near = boundary_aware(output.foreground, decided, batch.target("band"))
            return near + boundary_map(output.boundary, batch.target("boundary"), inside)
        known = batch.target("known")
        if not bool(known.any()):
            return None
        drawn = mask_truth(output.foreground, batch.target("truth"), known)
        return drawn + boundary_map(output.boundary, batch.target("truth_boundary"), known)
