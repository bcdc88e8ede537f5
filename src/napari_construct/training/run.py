"""One training run in memory: steps, and a state that can be taken and put back at any of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_construct.events import StepDone
from napari_construct.exceptions import CheckpointError, ConstructError
from napari_construct.models.calibration import Calibration
from napari_construct.training.augmentation import augment
from napari_construct.training.config import TrainingConfig
from napari_construct.training.mosaic import paste
from napari_construct.training.patches import PatchStore
from napari_construct.training.randomness import epoch_order, generator, seed_of
from napari_construct.training.schedule import rate_factor
from napari_construct.training.state import Progress
from napari_construct.training.task import Batch, TrainingTask

State = dict[str, dict[str, Tensor]]


class TrainingRun:
    """Optimiser, position and best epoch of a run.

    Parameters
    ----------
    task : TrainingTask
        On its device; holds the model.
    patches : PatchStore
        The images.
    labels : ndarray
        (n, k) uint8.
    config : TrainingConfig
        The settings.
    device : torch.device
        Where steps run.
    """

    def __init__(
        self,
        task: TrainingTask,
        patches: PatchStore,
        labels: NDArray[np.uint8],
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.task, self.model = task, task.model
        self.patches, self.config, self.device = patches, config, device
        self.labels = torch.from_numpy(np.array(labels)).float()
        self.progress = Progress()
        self.best: State = {}
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.optimiser = make_optimiser(self.parameters, config)
        self.steps_per_epoch = math.ceil(len(patches) / config.batch_size)
        self.total_steps = self.steps_per_epoch * config.epochs
        self._rates = [group["lr"] for group in self.optimiser.param_groups]

    @property
    def step_number(self) -> int:
        """Finished steps of the whole run."""
        return self.progress.epoch * self.steps_per_epoch + self.progress.step_in_epoch

    def step(self) -> StepDone:
        """Draw a batch, take one optimiser step, report it.

        Raises
        ------
        ConstructError
            If the loss is not finite, or the device runs out of memory.
        """
        number = self.step_number
        factor = rate_factor(
            number, self.total_steps, schedule=self.config.schedule, warm_up=self.config.warm_up
        )
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(seed_of(self.config.seed, "layers", number))
                losses = self._optimise(self._batch(number))
        except torch.OutOfMemoryError as error:
            raise ConstructError(
                f"{self.device} ran out of memory at a batch of {self.config.batch_size} patches of "
                f"{self.patches.view.size} pixels; choose a smaller batch_size or image_size"
            ) from error
        progress = self.progress
        progress.step_in_epoch += 1
        for name, value in losses.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        return StepDone(
            "train",
            number + 1,
            self.total_steps,
            epoch=progress.epoch,
            losses=losses,
            learning_rate=self._rates[0] * factor,
        )

    def finish_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Close the epoch; returns its mean losses together with ``metrics``."""
        progress = self.progress
        full = {name: value / max(progress.step_in_epoch, 1) for name, value in progress.sums.items()} | dict(
            metrics
        )
        progress.history.append(full)
        progress.epoch, progress.step_in_epoch, progress.sums = progress.epoch + 1, 0, {}
        return full

    def remember_best(self, score: float, metrics: Mapping[str, float], calibration: Calibration) -> bool:
        """Keep the present weights if ``score`` is the highest so far; returns whether it is."""
        best = self.progress.best
        if best is not None and score <= best["score"]:
            return False
        self.progress.best = {
            "score": score,
            "epoch": self.progress.epoch,
            "metrics": dict(metrics),
            "calibration": calibration.model_dump(mode="json"),
        }
        self.best = {f"best_{name}": _copied(state) for name, state in self._weights().items()}
        return True

    def tensors(self) -> State:
        """Everything that is a tensor: weights, optimiser, memory bank, the best weights."""
        optimiser = {
            f"{name}|{key}": value
            for name, parameter in self.parameters.items()
            for key, value in self.optimiser.state.get(parameter, {}).items()
        }
        bank = {} if self.task.contrast is None else dict(self.task.contrast.state_dict())
        return {**self._weights(), "optimiser": optimiser, "bank": bank, **self.best}

    def restore(self, progress: Progress, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go back to a state taken by :meth:`tensors`."""
        try:
            for name, module in self._modules().items():
                module.load_state_dict(dict(state[name]), strict=True)
            if self.task.contrast is not None:
                self.task.contrast.load_state_dict(dict(state["bank"]), strict=True)
            for key, value in state["optimiser"].items():
                name, entry = key.rsplit("|", 1)
                parameter = self.parameters[name]
                # Adam counts its steps on the CPU; everything else lies beside its parameter
                place = value if entry == "step" else value.to(parameter.device)
                self.optimiser.state.setdefault(parameter, {})[entry] = place.clone()
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"expected the training state of this network, got another one ({error}); "
                "start without resume"
            ) from error
        self.progress = progress
        self.best = {n: dict(s) for n, s in state.items() if n.startswith("best_")}

    def use_best(self) -> None:
        """Put the best weights into the model."""
        for name, module in self._modules().items():
            module.load_state_dict(self.best[f"best_{name}"], strict=True)

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"head": self.model.head}
        if self.task.trains_encoder:
            modules["encoder"] = self.model.encoder
        return modules

    def _weights(self) -> State:
        return {name: module.state_dict() for name, module in self._modules().items()}

    def _batch(self, number: int) -> Batch:
        """The batch of a step: a function of the seed and the step's number."""
        seed, size = self.config.seed, self.config.batch_size
        epoch, step = divmod(number, self.steps_per_epoch)
        indices = epoch_order(seed, epoch, len(self.patches))[step * size : (step + 1) * size].tolist()
        patches = self.patches.batch(indices, generator(seed, "cut", number)).to(self.device)
        images = augment(
            patches,
            self.config.augmentation,
            window=self.patches.view.window,
            size=self.patches.view.size,
            generator=generator(seed, "augmentation", number),
        )
        labels = self.labels[indices].to(self.device)
        share = self.config.augmentation.mosaic
        if not share:
            return Batch(images, labels)
        images, pasted, partner = paste(images, share, generator(seed, "mosaic", number))
        there = pasted.flatten(1).any(1)[:, None]
        both = torch.where(there, torch.maximum(labels, labels[partner]), labels)
        return Batch(images, both, pasted, (labels, labels[partner]))

    def _optimise(self, batch: Batch) -> dict[str, float]:
        self.task.train()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16"):
            parts = self.task(batch)
        losses = {name: float(value.detach()) for name, value in parts.items()}
        if not all(math.isfinite(value) for value in losses.values()):
            shown = ", ".join(f"{name} {value:g}" for name, value in losses.items())
            raise ConstructError(
                f"expected finite losses at step {self.step_number + 1}, got {shown}; lower the learning rate"
            )
        parts["loss"].backward()
        if self.config.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        self.optimiser.step()
        return losses


def make_optimiser(parameters: Mapping[str, nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with one group per learning rate and decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        decayed = config.decay_all or parameter.ndim > 1
        groups.setdefault((name.startswith("encoder."), decayed), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": members,
            "lr": (config.encoder_learning_rate or 0.0) if of_encoder else config.learning_rate,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (of_encoder, decayed), members in sorted(groups.items(), key=lambda item: item[0])
    ]
    return torch.optim.AdamW(settings)


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
