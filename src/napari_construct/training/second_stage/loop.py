"""The training loop of the second stage: batches of pseudo masks, their loss, averaged weights."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.events import StepDone, Steps
from napari_construct.losses.partial_cross_entropy import partial_cross_entropy
from napari_construct.models.network.unet import UNet
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.loop.averaging import WeightAverage, estimate_norms
from napari_construct.training.loop.image_statistics import image_statistics
from napari_construct.training.loop.weight_update import WeightUpdate, one_step, rate_factor
from napari_construct.training.randomness import full_batch
from napari_construct.training.second_stage.self_training import SelfTraining
from napari_construct.training.views.partial_masks import at_cells, masked_views
from napari_construct.training.views.patches import PatchStore
from napari_construct.training.views.sheets import SheetSource

WARM_UP: Final = 0.1
CLIP_NORM: Final = 5.0
LARGEST_WEIGHT: Final = 10.0
"""Of a class in the loss, against the mean one."""

STATISTICS_FROM: Final = 20
"""Batches from which the averaged network's normalisation statistics are taken."""


class SecondStageTraining:
    """Optimiser, averaged weights and the loop over steps."""

    def __init__(
        self,
        network: UNet,
        patches: PatchStore,
        images: NDArray[np.uint8],
        masks: NDArray[np.uint8],
        sheets: SheetSource,
        config: SecondStageConfig,
        device: torch.device,
        unlabelled: SelfTraining | None = None,
    ) -> None:
        self.unlabelled = unlabelled
        self.network, self.sheets, self.config, self.device = network, sheets, config, device
        self.window, self.size = patches.view.window, patches.view.size
        self.images, self.masks = torch.from_numpy(images), torch.from_numpy(masks)
        self.weights = class_weights(masks, network.head.n_classes).to(device)
        groups: list[dict[str, Any]] = [
            {"params": list(network.head.parameters()), "lr": config.learning_rate}
        ]
        if network.trains_encoder:
            rate = config.encoder_learning_rate
            groups.append({"params": list(network.encoder.parameters()), "lr": rate})
        optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        changed = [p for group in optimiser.param_groups for p in group["params"]]
        self._update = WeightUpdate(optimiser, changed, CLIP_NORM, device)
        trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.average = WeightAverage(trained)
        self.losses: list[float] = []

    @property
    def means(self) -> dict[str, float]:
        """Mean loss of the last tenth of the steps."""
        return {"loss": float(np.mean(self.losses[-max(len(self.losses) // 10, 1) :]))}

    def steps(self) -> Steps[None]:
        """Train; afterwards the network holds the averaged weights and is in eval mode."""
        total, first = self.config.steps, int(self.config.steps * self.config.average_from)
        self.network.train()
        for step in range(total):
            factor = rate_factor(step, total, schedule="constant", warm_up=WARM_UP)
            with one_step(self.device, self.config.seed, step, self.config.batch_size, "a smaller one"):
                losses = self._optimise(step, factor)
            self.losses.append(losses["loss"])
            if step >= first:
                self.average.update()
            rate = self._update.rate(factor)
            yield StepDone("train", step + 1, total, epoch=0, losses=losses, learning_rate=rate)
        if self.average.count > 1:
            self.average.put_into_model()
            yield from self._statistics()
        yield from image_statistics(self.network, self.sheets, self.device)
        self.network.trains_encoder = False
        self.network.requires_grad_(False).eval()

    def _batch(self, step: int) -> tuple[Float[Tensor, "b 3 s s"], UInt8[Tensor, "b s s"]]:
        """The batch of a step: a function of the seed and the step's number."""
        config = self.config
        indices = full_batch(step, config.batch_size, len(self.images), config.seed)
        return masked_views(
            self.images[indices].to(self.device),
            self.masks[indices].to(self.device),
            config.augmentation,
            window=self.window,
            size=self.size,
            seed=config.seed,
            step=step,
        )

    def _optimise(self, step: int, factor: float) -> dict[str, float]:
        images, masks = self._batch(step)
        self._update.begin(factor)
        loss = pseudo_mask_loss(self.network(images).cam, masks, self.weights)
        losses = {"loss": float(loss.detach())}
        if self.unlabelled and (found := self.unlabelled.loss(step)) is not None:
            losses["unlabelled"] = float(found.detach())
            loss = loss + found
        self._update.finish(loss, losses, step + 1)
        if self.unlabelled:
            self.unlabelled.follow(step)
        return losses

    def _statistics(self) -> Steps[None]:
        """Statistics of batch normalisation under the averaged weights."""
        part = self.network if self.network.trains_norms else self.network.head

        def forward(step: int) -> None:
            self.network(self._batch(step)[0])

        yield from estimate_norms(part, [partial(forward, n) for n in range(STATISTICS_FROM)])


def pseudo_mask_loss(
    cam: Float[Tensor, "b k gh gw"], masks: UInt8[Tensor, "b h w"], weights: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """Cross-entropy at the pixel in the middle of each cell; 0 where nothing in the batch is known."""
    return partial_cross_entropy(cam, at_cells(masks, (cam.shape[-2], cam.shape[-1])), weights)


def class_weights(masks: NDArray[np.uint8], k: int) -> Float[Tensor, " k"]:
    """Inverse of each class's area, 1 in the mean over pixels, at most ``LARGEST_WEIGHT``."""
    area = np.bincount(masks.ravel(), minlength=256)[:k].astype(np.float64)
    known = max(area.sum(), 1.0)
    return torch.from_numpy(np.clip(known / (k * np.maximum(area, 1)), None, LARGEST_WEIGHT)).float()
