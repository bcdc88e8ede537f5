"""One optimiser step: forward and backward in the chosen precision, gradients joined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_construct.exceptions import ConstructError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.precision import autocast, resolve_precision
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batch import Features, TrainingBatch


class Optimisation:
    """AdamW and what surrounds it.

    Parameters
    ----------
    task : TrainingTask
        On its device.
    parameters : mapping of str to Parameter
        What is trained.
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
        self._rates = [group["lr"] for group in self.optimiser.param_groups]
        self.dtype = resolve_precision(config.precision, device)
        # half precision has so small a range that gradients vanish unless they are scaled up
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)

    def step(self, batch: TrainingBatch, factor: float, number: int) -> tuple[dict[str, float], float]:
        """Take step ``number`` with the rates times ``factor``; returns the losses and the first rate.

        Raises
        ------
        ConstructError
            If a loss is not finite.
        """
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self.task.train()
        self.optimiser.zero_grad(set_to_none=True)
        parts, levels = self._forward(batch)
        losses = self._reported(parts)
        if not all(math.isfinite(value) for value in losses.values()):
            shown = ", ".join(f"{name} {value:g}" for name, value in losses.items())
            raise ConstructError(
                f"expected finite losses at step {number}, got {shown}; lower the learning rate"
            )
        self.scaler.scale(parts["loss"]).backward()  # type: ignore[no-untyped-call]
        if levels:
            self._through_encoder(batch, levels)
        self.task.processes.add_gradients(self.parameters.values())
        self.scaler.unscale_(self.optimiser)
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return losses, self.rate(factor)

    def rate(self, factor: float) -> float:
        """The first learning rate at a factor of the schedule."""
        return float(self._rates[0] * factor)

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's state by name of parameter."""
        return {
            f"{name}|{key}": value
            for name, parameter in self.parameters.items()
            for key, value in self.optimiser.state.get(parameter, {}).items()
        }

    def restore(self, tensors: Mapping[str, Tensor], scaler: Mapping[str, Any]) -> None:
        """Go back to a state; KeyError where it is one of other parameters."""
        for key, value in tensors.items():
            name, entry = key.rsplit("|", 1)
            parameter = self.parameters[name]
            # Adam counts its steps on the CPU; everything else lies beside its parameter
            place = value if entry == "step" else value.to(parameter.device)
            self.optimiser.state.setdefault(parameter, {})[entry] = place.clone()
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


POLYNOMIAL_POWER = 0.9
"""Usual for segmentation (Chen et al. 2017)."""


def rate_factor(step: int, total: int, *, schedule: str, warm_up: float) -> float:
    """Factor of the base learning rate at step ``step`` of ``total``, 0 to 1.

    A linear rise over the share ``warm_up`` of the steps, then ``(1 - t) ** 0.9`` ("polynomial"),
    ``(1 + cos(pi t)) / 2`` ("cosine") or 1 ("constant"), where t runs from 0 to 1.
    """
    rising = math.ceil(total * warm_up)
    if step < rising:
        return (step + 1) / rising
    t = (step - rising) / max(total - rising, 1)
    if schedule == "polynomial":
        return float((1 - t) ** POLYNOMIAL_POWER)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    return 1.0
