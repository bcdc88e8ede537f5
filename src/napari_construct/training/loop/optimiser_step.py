"""One optimiser step: forward and backward in the chosen precision, gradients joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.precision import autocast, resolve_precision
from napari_construct.training.loop.weight_update import (
    WeightUpdate,
    optimiser_tensors,
    restore_optimiser,
)
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batch import Features, TrainingBatch


class Optimisation:
    """AdamW with gradient scaling, clipping and accumulation.

    Parameters
    ----------
    task : TrainingTask
        On its device.
    parameters : mapping of str to Parameter
        Trained parameters.
    config : TrainingConfig
        Rates, decay, precision, bound of the gradient, parts of a batch.
    device : torch.device
        Where steps run.
    """

    def __init__(
        self,
        task: TrainingTask,
        parameters: Mapping[str, nn.Parameter],
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.task, self.parameters, self.config, self.device = task, dict(parameters), config, device
        self.optimiser = make_optimiser(self.parameters, config)
        self.dtype = resolve_precision(config.precision, device)
        self._update = WeightUpdate(
            self.optimiser, self.parameters.values(), config.clip_norm, device, self.dtype
        )
        self.scaler = self._update.scaler

    def step(self, batch: TrainingBatch, factor: float, number: int) -> tuple[dict[str, float], float]:
        """Take step ``number`` with the rates times ``factor``; returns the losses and the first rate.

        Raises
        ------
        ConstructError
            If a loss is not finite.
        """
        self._update.begin(factor)
        self.task.train()
        parts, levels = self._forward(batch)
        losses = self._reported(parts)

        def complete() -> None:
            if levels:
                self._through_encoder(batch, levels)
            self.task.processes.add_gradients(self.parameters.values())

        self._update.finish(parts["loss"], losses, number, complete)
        return losses, self.rate(factor)

    def rate(self, factor: float) -> float:
        """The first learning rate at a factor of the schedule."""
        return self._update.rate(factor)

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state by name of parameter."""
        return optimiser_tensors(self.optimiser, self.parameters)

    def restore(self, tensors: Mapping[str, Tensor], scaler: Mapping[str, Any]) -> None:
        """Go back to a state; KeyError where it is one of other parameters."""
        restore_optimiser(self.optimiser, self.parameters, tensors)
        if scaler:
            self.scaler.load_state_dict(dict(scaler))

    def _forward(self, batch: TrainingBatch) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
        """Losses; and the levels whose gradient a trained encoder still has to receive."""
        with autocast(self.dtype, self.device):
            if self.config.accumulate == 1 or batch.images is None or not len(batch.images):
                return self.task(batch), ()
            features = self.task.encode(batch.images, self.config.accumulate)
            levels = features.student
            if self.task.trains_encoder:
                levels = tuple(level.detach().requires_grad_() for level in levels)
            losses = self.task(replace(batch, features=Features(levels, features.teacher)))
        return losses, levels if self.task.trains_encoder else ()

    def _through_encoder(self, batch: TrainingBatch, levels: tuple[Tensor, ...]) -> None:
        """Encode part by part again, with gradient, and pass on what the head asked of the features."""
        if batch.images is None:
            return
        chunks = batch.images.chunk(self.config.accumulate)
        sizes = [len(chunk) for chunk in chunks]
        wanted = [None if level.grad is None else level.grad.split(sizes) for level in levels]  # type: ignore[no-untyped-call]
        for number, chunk in enumerate(chunks):
            with autocast(self.dtype, self.device):
                again = self.task.student(chunk)
            pairs = [
                (level, grad[number]) for level, grad in zip(again, wanted, strict=True) if grad is not None
            ]
            torch.autograd.backward([level for level, _ in pairs], [gradient for _, gradient in pairs])

    def _reported(self, parts: Mapping[str, Tensor]) -> dict[str, float]:
        """Losses of the whole batch."""
        values = self.task.processes.sum(torch.stack([value.detach().float() for value in parts.values()]))
        return dict(zip(parts, values.tolist(), strict=True))


def make_optimiser(parameters: Mapping[str, nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with one group per learning rate and decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        decayed = config.decay_all or parameter.ndim > 1
        groups.setdefault((name.startswith("encoder."), decayed), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": members,
            "lr": config.encoder_learning_rate if of_encoder else config.learning_rate,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (of_encoder, decayed), members in sorted(groups.items(), key=lambda item: item[0])
    ]
    return torch.optim.AdamW(settings)
