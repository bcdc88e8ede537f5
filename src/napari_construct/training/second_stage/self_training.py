"""Images without labels teach, too: what a slow average of the network is sure of, on a changed look.

A mean teacher (Tarvainen and Valpola 2017) names the cells of a view; the network learns those that the
teacher is sure of from the same view in another stain (FixMatch, Sohn et al. 2020). With strokes on three
images and 13 without any, this is worth 0.04 mIoU (docs/experiments.md).
"""

from __future__ import annotations

import copy
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.models.network.unet import UNet
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.randomness import full_batch, generator
from napari_construct.training.views.augmentation import augment, jitter_stain

BEGINS: Final = 1 / 3
"""Share of the steps after which the teacher is asked; before, it knows too little."""

WARM_UP: Final = 20
"""Steps after which the teacher begins to follow."""

SURE: Final = 0.8
"""Probability from which a cell counts."""

WEIGHT: Final = 0.5
"""Of this loss, beside that of the labels."""

_FOLLOWS: Final = 0.02
"""Share of the network that the teacher takes in a step."""

_GAIN: Final = 0.4
"""Largest relative change of each stain in the view that is learned from."""


class SelfTraining:
    """Loss on images without labels; a function of the seed and the steps so far.

    Parameters
    ----------
    network : UNet
        Is learned; the teacher is a slow copy of it.
    images : Tensor
        (n, s, s, 3) uint8 RGB: parts of the images.
    config : SecondStageConfig
        Steps, batch size, seed and the augmentation of the view that the teacher sees.
    window : float
        Side in pixels of what a view shows of a part.
    size : int
        Side of a view.
    """

    def __init__(
        self,
        network: UNet,
        images: UInt8[Tensor, "n s s 3"],
        config: SecondStageConfig,
        *,
        window: float,
        size: int,
    ) -> None:
        self._network, self._images, self._config = network, images, config
        self._window, self._size = window, size
        self._begins = max(int(config.steps * BEGINS), WARM_UP + 1)
        self._teacher: UNet | None = None

    def loss(self, step: int) -> Float[Tensor, ""] | None:
        """The loss of a step, weighted; None before the teacher is asked."""
        if self._teacher is None or step < self._begins:
            return None
        device = next(self._network.parameters()).device
        seed = self._config.seed
        chosen = full_batch(step, self._config.batch_size, len(self._images), seed)
        views = augment(
            self._images[chosen].to(device),
            self._config.augmentation,
            window=self._window,
            size=self._size,
            generator=generator(seed, "views without labels", step),
        )
        with torch.no_grad():
            sure, named = self._teacher(views).cam.softmax(1).max(1)
        known = (sure > SURE).float()
        random = generator(seed, "look without labels", step)
        gain = 1 + _GAIN * (2 * torch.rand(len(views), 3, generator=random) - 1)
        changed = jitter_stain(views, gain.to(device), torch.zeros(len(views), 3, device=device))
        losses = F.cross_entropy(self._network(changed).cam, named, reduction="none")
        loss: Tensor = WEIGHT * (losses * known).sum() / known.sum().clamp_min(1)
        return loss

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the teacher towards the network after a step."""
        if step < WARM_UP:
            return
        if self._teacher is None:
            self._teacher = copy.deepcopy(self._network)
            self._teacher.trains_encoder = False
            self._teacher.requires_grad_(False).eval()
            return
        for mine, theirs in zip(
            self._teacher.state_dict().values(), self._network.state_dict().values(), strict=True
        ):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, _FOLLOWS)
            else:
                mine.copy_(theirs)
