"""One distillation in memory: steps, and a state that can be saved and restored at each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, Final

import torch
from torch import Tensor

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.crossmodal.loop.norm_statistics import parts_as_segmented
from napari_construct.crossmodal.objective.task import DistilTask
from napari_construct.crossmodal.views.draw import ViewBatch, draw_views
from napari_construct.events import Resumed, StepDone, Steps
from napari_construct.exceptions import CheckpointError
from napari_construct.training.loop.averaging import WeightAverage, estimate_norms
from napari_construct.training.loop.progress import Progress
from napari_construct.training.loop.weight_update import (
    WeightUpdate,
    one_step,
    optimiser_tensors,
    rate_factor,
    restore_optimiser,
)
from napari_construct.training.randomness import epoch_order, generator

_COUNT: Final = "number of "
"""Before the name of a loss: of how many steps it is the sum."""

STATE: Final = frozenset({"task", "optimiser", "average"})
"""Parts of a state."""


class DistilRun:
    """Optimiser, average and position of a run.

    Parameters
    ----------
    task : DistilTask
        On its device; holds the student.
    items : ItemStore
        Prepared images.
    config : DistilConfig
        Settings.
    device : torch.device
        Where steps run.

    Attributes
    ----------
    ended_after : int or None
        Steps after which :meth:`end` was called.
    """

    def __init__(
        self, task: DistilTask, items: ItemStore, config: DistilConfig, device: torch.device
    ) -> None:
        self.task, self.items, self.config, self.device = task, items, config, device
        self.progress = Progress()
        self.ended_after: int | None = None
        self.parameters = {n: p for n, p in task.named_parameters() if p.requires_grad}
        weights = [p for n, p in self.parameters.items() if n.startswith("student.")]
        groups: list[dict[str, Any]] = [{"params": weights, "lr": config.learning_rate}]
        if learned := [p for n, p in self.parameters.items() if not n.startswith("student.")]:
            groups.append({"params": learned, "lr": 10 * config.learning_rate, "weight_decay": 0.0})
        self.optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self._update = WeightUpdate(self.optimiser, weights, config.clip_norm, device)
        self.average = WeightAverage(self.parameters)
        self.rounds = min(config.validations, config.steps)
        self.steps_per_round = -(-config.steps // self.rounds)

    @property
    def step_number(self) -> int:
        """Finished steps."""
        return self.progress.epoch * self.steps_per_round + self.progress.step_in_epoch

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.progress.stopped or self.step_number >= self.config.steps

    @property
    def round_complete(self) -> bool:
        """Whether a validation is due: at the end of a round, and of an unfinished one when all ends."""
        done = self.progress.step_in_epoch
        return done >= self.steps_per_round or (done > 0 and self.finished)

    def end(self) -> None:
        """Take no more steps."""
        self.ended_after, self.progress.stopped = self.step_number, True

    def step(self) -> StepDone:
        """Draw views, take one optimiser step, report it.

        Raises
        ------
        ConstructError
            If a loss is not finite, or the device runs out of memory.
        """
        number, config = self.step_number, self.config
        factor = self._factor(number)
        with one_step(self.device, config.seed, number, config.batch_size, "a smaller batch_size or patch"):
            self.task.train()
            self._update.begin(factor)
            total, losses = self.task(self.batch(number))
            self._update.finish(total, losses, number + 1)
        if config.average_from is not None and number + 1 > config.steps * config.average_from:
            self.average.update()
        self.progress.step_in_epoch += 1
        for name, value in losses.items():
            for key, one in ((name, value), (f"{_COUNT}{name}", 1.0)):  # not every step has every term
                self.progress.sums[key] = self.progress.sums.get(key, 0.0) + one
        return StepDone(
            "train",
            number + 1,
            config.steps,
            epoch=self.progress.epoch,
            epochs=self.rounds,
            losses=losses,
            learning_rate=self._update.rate(factor),
        )

    @cached_property
    def _parts(self) -> list[Tensor]:
        return parts_as_segmented(self.items, self.config.seed)

    def batch(self, number: int) -> ViewBatch:
        """The views of a step: a function of the seed and the step's number."""
        config, count = self.config, len(self.items)
        places = range(number * config.batch_size, (number + 1) * config.batch_size)
        orders = {e: epoch_order(config.seed, e, count).tolist() for e in {p // count for p in places}}
        chosen = [self.items[orders[p // count][p % count]] for p in places]
        views = draw_views(chosen, config.patch, config.augmentation, generator(config.seed, "views", number))
        return ViewBatch(views.images.to(self.device), views.maps.to(self.device))

    def use_average(self) -> Steps[None]:
        """Put averaged weights, if there are any, and statistics of images as segmented into the student."""
        if self.average.count:
            self.average.put_into_model()

        def forward(images: Tensor) -> None:
            self.task.student(images.to(self.device))

        yield from estimate_norms(self.task.student, [partial(forward, images) for images in self._parts])

    def finish_round(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Close the round; returns its mean losses together with ``metrics``."""
        progress = self.progress
        sums = progress.sums
        means = {n: sums[n] / sums[f"{_COUNT}{n}"] for n in sums if not n.startswith(_COUNT)}
        full = means | dict(metrics)
        progress.history.append(full)
        progress.epoch, progress.step_in_epoch, progress.sums = progress.epoch + 1, 0, {}
        return full

    def resumed(self) -> Resumed:
        """Steps, learning rates and metrics of the finished rounds."""
        ends = tuple(
            min(self.steps_per_round * (i + 1), self.config.steps) for i in range(self.progress.epoch)
        )
        return Resumed(
            "train",
            self.step_number,
            self.config.steps,
            steps=ends,
            learning_rates=tuple(self._update.rate(self._factor(end - 1)) for end in ends),
            history=tuple(dict(metrics) for metrics in self.progress.history),
        )

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Everything that is a tensor."""
        return {
            "task": dict(self.task.state_dict()),
            "optimiser": optimiser_tensors(self.optimiser, self.parameters),
            "average": self.average.tensors(),
        }

    def restore(self, progress: Progress, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore a state of :meth:`tensors`.

        Raises
        ------
        CheckpointError
            If it is one of another network.
        """
        try:
            self.task.load_state_dict(dict(state["task"]), strict=True)
            restore_optimiser(self.optimiser, self.parameters, state["optimiser"])
            self.average.restore(state["average"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"expected the training state of this network, got another one ({error}); start "
                "without resume"
            ) from error
        progress.history = [self._reported(metrics) for metrics in progress.history]
        progress.sums = self._reported(progress.sums)
        self.progress = progress

    def _reported(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Without those of terms that no image has anything to say of, as states of before hold them."""
        return {n: value for n, value in numbers.items() if self.task.reports(n.removeprefix(_COUNT))}

    def _factor(self, number: int) -> float:
        config = self.config
        return rate_factor(number, config.steps, schedule=config.schedule, warm_up=config.warm_up)
