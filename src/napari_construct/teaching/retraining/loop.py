"""The steps of a retraining: batches of corrections and old data, their losses, averaged weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from napari_construct.events import Event, StepDone, Steps
from napari_construct.exceptions import CheckpointError
from napari_construct.losses.partial_cross_entropy import UNKNOWN, partial_cross_entropy
from napari_construct.models.network.taught import TaughtNet
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.teaching.retraining.parts import Crops
from napari_construct.teaching.retraining.replay import Replay
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.averaging import WeightAverage, estimate_norms
from napari_construct.training.loop.image_statistics import image_statistics
from napari_construct.training.loop.optimiser_step import make_optimiser
from napari_construct.training.loop.weight_update import (
    WeightUpdate,
    one_step,
    optimiser_tensors,
    rate_factor,
    restore_optimiser,
)
from napari_construct.training.views.batch import TrainingBatch
from napari_construct.training.views.partial_masks import masked_views
from napari_construct.training.views.sheets import SheetSource

WARM_UP: Final = 0.1

STATISTICS_FROM: Final = 20
"""Batches from which the averaged network's normalisation statistics are taken."""

_NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Retraining:
    """A network that learns corrections, step by step; a state can be saved after each.

    Parameters
    ----------
    network : ConstructNet or UNet
        On its device, a copy of the old model's; it is changed.
    crops : Crops
        Views of corrected images.
    replay : Replay or None
        Old data.
    keep : float
        Weight of what the old model was sure of.
    shifts : Tensor
        (k,) what the decision adds to each class's logit: the loss sees logits as decisions do.
    settings : RetrainSettings
        Steps, weights, augmentation.
    config : TrainingConfig
        The same for the parts shared with training: rates, bound of the gradient, and size of a view.
    size : int
        Side of a view.
    device : torch.device
        Where steps run.
    """

    def __init__(
        self,
        network: PixelNetwork,
        crops: Crops,
        replay: Replay | None,
        keep: float,
        shifts: Float[Tensor, " k"],
        settings: RetrainSettings,
        config: TrainingConfig,
        size: int,
        device: torch.device,
    ) -> None:
        self.network, self.crops, self.replay, self.keep = network, crops, replay, keep
        self.shifts = shifts.to(device)[:, None, None]
        self.settings, self.size, self.device = settings, size, device
        self.k, self.done = len(shifts), 0
        self.trains_encoder = config.encoder_learning_rate is not None
        self.batch_norms = settings.norm_statistics == "batch"
        network.requires_grad_(False)
        network.head.requires_grad_(True)
        if self.trains_encoder:
            network.encoder.requires_grad_(True)
        self.parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.optimiser = make_optimiser(self.parameters, config)
        self._update = WeightUpdate(self.optimiser, self.parameters.values(), config.clip_norm, device)
        self.average = WeightAverage(self.parameters)
        self.old = settings.batch_size // 2 if replay is not None or keep else 0

    @property
    def finished(self) -> bool:
        return self.done >= self.settings.steps

    def step(self) -> StepDone:
        """Take one step.

        Raises
        ------
        ConstructError
            If a loss is not finite, or the device runs out of memory.
        """
        settings, number = self.settings, self.done
        factor = rate_factor(number, settings.steps, schedule="constant", warm_up=WARM_UP)
        self._mode()
        with one_step(self.device, settings.seed, number, settings.batch_size, "a smaller batch_size"):
            losses = self._optimise(number, factor)
        self.done += 1
        if number >= int(settings.steps * settings.average_from):
            self.average.update()
        rate = self._update.rate(factor)
        return StepDone(
            "train", self.done, settings.steps, epoch=0, epochs=1, losses=losses, learning_rate=rate
        )

    def finish(self, sheets: Sequence[SheetSource]) -> Steps[None]:
        """Put the averaged weights into the network, which is frozen then; with statistics that fit them.

        Parameters
        ----------
        sheets : sequence of SheetSource
            What images look like; for statistics of batches.
        """
        if self.average.count > 1:
            self.average.put_into_model()
        if self.batch_norms:
            yield from self._statistics()
            yield from image_statistics(self.network, _Joined(sheets), self.device)
        self.network.requires_grad_(False).eval()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The state: weights, optimiser, averages."""
        return {
            **{name: module.state_dict() for name, module in self.modules().items()},
            "optimiser": optimiser_tensors(self.optimiser, self.parameters),
            "average": self.average.tensors(),
        }

    def restore(self, done: int, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go back to a state of :meth:`tensors` after ``done`` steps.

        Raises
        ------
        CheckpointError
            If it is one of another network, or of a longer run.
        """
        if done > self.settings.steps:
            raise CheckpointError(
                f"expected a training state within {self.settings.steps} steps, got one after {done}; start "
                "without resume"
            )
        try:
            for name, module in self.modules().items():
                module.load_state_dict(dict(state[name]), strict=True)
            restore_optimiser(self.optimiser, self.parameters, state["optimiser"])
            self.average.restore(state["average"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"expected the training state of this network, got another one ({error}); start without "
                "resume"
            ) from error
        self.done = done

    def modules(self) -> dict[str, nn.Module]:
        """Trained modules, by their names in the state."""
        found: dict[str, nn.Module] = {"head": self.network.head}
        if self.trains_encoder:
            found["encoder"] = self.network.encoder
        return found

    def batch(self, step: int) -> tuple[Tensor, UInt8[Tensor, "b h w"], TrainingBatch | None]:
        """Images of a step, labels of its first ones, and the old data's part, whose images come last."""
        settings = self.settings
        new, anywhere = settings.batch_size - self.old, 0 if self.replay is not None else self.old
        images, labels = (part.to(self.device) for part in self.crops.batch(step, new, anywhere))
        views, labels = masked_views(
            images,
            labels,
            settings.augmentation,
            window=float(self.size),
            size=self.size,
            seed=settings.seed,
            step=step,
        )
        if self.replay is None:
            return views, labels, None
        old = self.replay.batches.batch(step)
        return views if old.images is None else torch.cat([views, old.images]), labels, old

    def losses(
        self,
        cam: Float[Tensor, "b k gh gw"],
        labels: UInt8[Tensor, "c h w"],
        old: TrainingBatch | None,
    ) -> dict[str, Tensor]:
        """Losses by name, "loss" is their weighted sum; pixels without a label have no part in them."""
        count, k = len(labels), self.k
        cells = cam[:count].float() + self.shifts
        logits = F.interpolate(cells, labels.shape[-2:], mode="bilinear", align_corners=False)
        unknown = torch.full_like(labels, UNKNOWN)
        found = {"corrections": partial_cross_entropy(logits, torch.where(labels < k, labels, unknown))}
        total = found["corrections"]
        if self.keep:
            sure = (labels >= k) & (labels < 2 * k)
            found["kept"] = partial_cross_entropy(logits, torch.where(sure, labels - k, unknown))
            total = total + self.keep * found["kept"]
        if old is not None and self.replay is not None:
            found["old data"] = self.replay.loss(cam[count:].float(), old)
            total = total + self.settings.replay * found["old data"]
        return {"loss": total, **found}

    def _optimise(self, step: int, factor: float) -> dict[str, float]:
        images, labels, old = self.batch(step)
        self._update.begin(factor)
        found = self.losses(self._cam(images), labels, old)
        losses = {name: float(value.detach()) for name, value in found.items()}
        self._update.finish(found["loss"], losses, step + 1)
        return losses

    def _cam(self, images: Tensor) -> Tensor:
        if isinstance(self.network, TaughtNet):  # job refuses such models
            raise TypeError("expected a network that learns from patches, got one taught by example")
        levels = self.network.features(images, trained=self.trains_encoder)
        cam: Tensor = self.network.head(levels).cam
        return cam

    def _mode(self) -> None:
        """Training mode, with or without statistics of batches."""
        self.network.train()
        if self.batch_norms and self.trains_encoder:
            self.network.encoder.train()
        if not self.batch_norms:
            for module in self.network.modules():
                if isinstance(module, _NORMS):
                    module.eval()

    def _statistics(self) -> Steps[None]:
        """Statistics of batch normalisation under the averaged weights."""
        parts: list[Any] = [self.network.head, *((self.network.encoder,) if self.trains_encoder else ())]

        def forward(step: int) -> None:
            self._cam(self.batch(step)[0])

        first = max(self.done - STATISTICS_FROM, 0)
        passes = [partial(forward, step) for step in range(first, max(self.done, first + 1))]
        yield from estimate_norms(nn.ModuleList(parts), passes)
        yield Event("average", len(passes), len(passes))


class _Joined:
    """Several sets of sheets, one after the other."""

    def __init__(self, sheets: Sequence[SheetSource]) -> None:
        self._all = [(one, number) for one in sheets for number in range(len(one))]

    def __len__(self) -> int:
        return len(self._all)

    def sheet(self, number: int) -> Float[Tensor, "1 3 y x"]:
        one, own = self._all[number]
        return one.sheet(own)
