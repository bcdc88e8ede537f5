"""One training run in memory: steps, and a state that can be saved and restored at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from napari_construct.events import Resumed, StepDone, Steps
from napari_construct.exceptions import CheckpointError
from napari_construct.models.network.calibration import Calibration
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.averaging import WeightAverage, estimate_norms, kept_weights
from napari_construct.training.loop.image_statistics import image_statistics
from napari_construct.training.loop.optimiser_step import Optimisation
from napari_construct.training.loop.precision import autocast
from napari_construct.training.loop.progress import Progress
from napari_construct.training.loop.pseudo_labels import pseudo_label_rounds_due, pseudo_label_steps
from napari_construct.training.loop.weight_update import one_step, rate_factor
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batches import Batches, DrawnBatches
from napari_construct.training.views.sheets import Sheets

State = dict[str, dict[str, Tensor]]

PSEUDO_LABELS: Final = "pseudo_labels"
"""Their name in the state."""


class TrainingRun:
    """Optimiser, averages, position and best epoch of a run.

    Parameters
    ----------
    task : TrainingTask
        On its device; holds the model.
    batches : Batches
        Batches of the steps.
    sheets : Sheets
        What images look like.
    config : TrainingConfig
        The settings.
    device : torch.device
        Device of the steps.

    Attributes
    ----------
    kept_levels : callable or None
        Returns stored levels of the encoder for indices of training patches, with a cache.
    """

    def __init__(
        self,
        task: TrainingTask,
        batches: Batches,
        sheets: Sheets,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.task, self.model, self.batches, self.sheets = task, task.model, batches, sheets
        self.config, self.device = config, device
        self.kept_levels: Callable[[Sequence[int]], tuple[Tensor, ...]] | None = None
        self.progress = Progress()
        self.best: State = {}
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.optimisation = Optimisation(task, self.parameters, config, device)
        self.average = WeightAverage(self.parameters, config.average_decay)
        self.steps_per_epoch = batches.steps_per_epoch
        self.epochs = config.epochs_of(self.steps_per_epoch)
        self.total_steps = self.steps_per_epoch * self.epochs

    @property
    def step_number(self) -> int:
        """Finished steps of the whole run."""
        return self.progress.epoch * self.steps_per_epoch + self.progress.step_in_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or patience has run out."""
        return self.progress.stopped or self.progress.epoch >= self.epochs

    def step(self) -> StepDone:
        """Draw a batch, take one optimiser step, report it.

        Raises
        ------
        ConstructError
            If the loss is not finite, or the device runs out of memory.
        """
        number, config = self.step_number, self.config
        remedy = "a smaller batch_size or image_size, or a larger accumulate"
        with one_step(self.device, config.seed, number, config.batch_size, remedy):
            losses, rate = self.optimisation.step(
                self.batches.batch(number), self._factor(number), number + 1
            )
        if config.average_from is not None and number + 1 > self.total_steps * config.average_from:
            self.average.update()
        progress = self.progress
        progress.step_in_epoch += 1
        for name, value in losses.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        return StepDone(
            "train",
            number + 1,
            self.total_steps,
            epoch=progress.epoch,
            epochs=self.epochs,
            losses=losses,
            learning_rate=rate,
        )

    def resumed(self) -> Resumed:
        """Steps, learning rates and metrics of the finished epochs."""
        ends = tuple(self.steps_per_epoch * (i + 1) for i in range(self.progress.epoch))
        return Resumed(
            "train",
            self.step_number,
            self.total_steps,
            steps=ends,
            learning_rates=tuple(self.optimisation.rate(self._factor(end - 1)) for end in ends),
            history=tuple(dict(metrics) for metrics in self.progress.history),
        )

    def _factor(self, number: int) -> float:
        config = self.config
        return rate_factor(number, self.total_steps, schedule=config.schedule, warm_up=config.warm_up)

    @property
    def pseudo_labels_due(self) -> bool:
        """Whether a round of pseudo labels is due."""
        config, batches = self.config, self._drawn
        if batches is None or config.pseudo_labels_from is None or config.label_target != "cells":
            return False
        due = pseudo_label_rounds_due(
            self.step_number, self.total_steps, config.pseudo_labels_from, config.pseudo_label_rounds
        )
        return self.progress.pseudo_label_rounds_done < due and bool((batches.labels.sum(1) > 1).any())

    def make_pseudo_labels(self) -> Steps[None]:
        """Make pseudo labels with the averaged network; averaging restarts at the next step."""
        if (batches := self._drawn) is None:
            return
        with self.kept():
            yield from self.use_average()
            batches.pseudo_labels = yield from pseudo_label_steps(
                self.model, batches.patches, batches.labels, self.config.pseudo_label_confidence, self.device
            )
        self.progress.pseudo_label_rounds_done += 1
        self.average = WeightAverage(self.parameters, self.config.average_decay)

    def kept(self) -> AbstractContextManager[None]:
        """Restore the present weights when the block ends."""
        return kept_weights(self.modules())

    def use_average(self) -> Steps[None]:
        """Put the averaged weights into the model, with batch statistics of their own, if there are any."""
        if self.average.count:
            self.average.put_into_model()
            yield from self.estimate_norms()

    def see_images(self) -> Steps[None]:
        """Take the head's batch statistics from patches as they are, side by side: those of images.

        For images only: pseudo labels and examples are of patches.
        """
        return image_statistics(self.model, self.sheets, self.device, self.optimisation.dtype)

    def estimate_norms(self) -> Steps[None]:
        """Take batch statistics from the batches of the last steps (of the first, before there are any)."""
        end = max(self.step_number, min(self.config.norm_batches, self.total_steps))
        last = range(max(end - self.config.norm_batches, 0), end)

        def forward(number: int) -> None:
            with autocast(self.optimisation.dtype, self.device):
                self.task.output(self.batches.batch(number))

        trained = [self.model.head, *((self.model.encoder,) if self.task.trains_norms else ())]
        yield from estimate_norms(nn.ModuleList(trained), [partial(forward, n) for n in last])

    def finish_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Close the epoch; returns its mean losses together with ``metrics``."""
        progress = self.progress
        means = {name: value / max(progress.step_in_epoch, 1) for name, value in progress.sums.items()}
        full = means | dict(metrics)
        progress.history.append(full)
        progress.epoch, progress.step_in_epoch, progress.sums = progress.epoch + 1, 0, {}
        return full

    def judge(self, score: float | None, metrics: Mapping[str, float], calibration: Calibration) -> bool:
        """Keep the present weights if ``score`` is the best so far; count validations without a better one.

        Returns whether it is the highest; call it while the averaged weights are in the model.
        """
        progress = self.progress
        better = score is not None and (progress.best is None or score > progress.best["score"])
        if better:
            progress.best = {
                "score": score,
                "epoch": progress.epoch,
                "metrics": dict(metrics),
                "calibration": calibration.model_dump(mode="json"),
            }
            self.best = {f"best_{name}": _copied(m.state_dict()) for name, m in self.modules().items()}
        progress.validations_since_best = 0 if better else progress.validations_since_best + 1
        progress.stopped = (
            self.config.patience is not None and progress.validations_since_best >= self.config.patience
        )
        return better

    def tensors(self) -> State:
        """Everything that is a tensor: weights, optimiser, averages, memory bank, the best weights."""
        return {
            **{name: module.state_dict() for name, module in self.modules().items()},
            "optimiser": self.optimisation.tensors(),
            "average": self.average.tensors(),
            "bank": {} if self.task.contrast is None else dict(self.task.contrast.state_dict()),
            **self._pseudo_labels(),
            **self.best,
        }

    def restore(self, progress: Progress, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore a state of :meth:`tensors`.

        Raises
        ------
        CheckpointError
            If it is one of another network, or of a longer run.
        """
        if progress.epoch > self.epochs or progress.step_in_epoch > self.steps_per_epoch:
            raise CheckpointError(
                f"expected a training state within {self.epochs} epochs of {self.steps_per_epoch} steps, got "
                f"epoch {progress.epoch}, step {progress.step_in_epoch}; start without resume"
            )
        try:
            for name, module in self.modules().items():
                module.load_state_dict(dict(state[name]), strict=True)
            if self.task.contrast is not None:
                self.task.contrast.load_state_dict(dict(state["bank"]), strict=True)
            self.optimisation.restore(state["optimiser"], progress.scaler)
            self.average.restore(state["average"])
            if self._drawn is not None and PSEUDO_LABELS in state:
                self._drawn.pseudo_labels = state[PSEUDO_LABELS]["cells"]
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"expected the training state of this network, got another one ({error}); "
                "start without resume"
            ) from error
        self.progress = progress
        self.best = {n: dict(s) for n, s in state.items() if n.startswith("best_")}

    @property
    def _drawn(self) -> DrawnBatches | None:
        """The batches, if their views are drawn in every step; only these hold pseudo labels."""
        return self.batches if isinstance(self.batches, DrawnBatches) else None

    def _pseudo_labels(self) -> State:
        found = None if self._drawn is None else self._drawn.pseudo_labels
        return {} if found is None else {PSEUDO_LABELS: {"cells": found}}

    def use_best(self) -> None:
        """Put the best weights into the model."""
        for name, module in self.modules().items():
            module.load_state_dict(self.best[f"best_{name}"], strict=True)

    def modules(self) -> dict[str, nn.Module]:
        """Trained modules, by their names in the state."""
        modules: dict[str, nn.Module] = {"head": self.model.head}
        if self.task.trains_encoder:
            modules["encoder"] = self.model.encoder
        return modules


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
