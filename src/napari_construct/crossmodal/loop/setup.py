"""Data, validation, checkpoint and state of a distillation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.crossmodal.loop.run import STATE, DistilRun
from napari_construct.crossmodal.loop.validation import VALIDATE, student_scores, teacher_scores
from napari_construct.crossmodal.objective.task import DistilTask
from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teacher_view import DatasetViews
from napari_construct.crossmodal.teachers.cached import STAGE as TEACHER
from napari_construct.crossmodal.teachers.cached import Taught, TeacherCache, teach_steps
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.channels.choose import channel_index
from napari_construct.events import EpochDone, Part, Phase, Planned, Steps, planned
from napari_construct.events.rarely import Rarely
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import locked_file
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.metrics.cells import SCORES
from napari_construct.models.checkpoints.channel_checkpoint import (
    ChannelCheckpoint,
    channel_checkpoint_of,
    load_channel_checkpoint,
    save_channel_checkpoint,
)
from napari_construct.models.checkpoints.locations import refuse_existing, with_suffix
from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet
from napari_construct.training.loop.averaging import kept_weights
from napari_construct.training.loop.contents import threads_notice
from napari_construct.training.loop.identity import state_path
from napari_construct.training.loop.state import load_state, save_state
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials

ROLES: Final = ("nuclear", "membrane")
"""Roles of the first channels."""

_STEP: Final = 6.0
_SCORED: Final = 4.0
_AVERAGE: Final = 40.0


class DistilSetup:
    """Checked arguments of :func:`~napari_construct.crossmodal.distil.distil`."""

    def __init__(
        self,
        dataset: CellDataset,
        teacher: Teacher | None,
        config: DistilConfig,
        val: CellDataset | None,
        output: PathLike | None,
        device: str,
        cache: TeacherCache | None,
    ) -> None:
        self.dataset, self.val, self.config, self.cache = dataset, val, config, cache
        self.device = resolve_device(device)
        for which in config.channels:
            channel_index(dataset.channels, which, "channel")
        self.teacher = teacher if config.uses_teacher else None
        self.items = ItemStore(dataset, self._taught(dataset), config)
        self._val_taught = None if val is None else self._taught(val)
        self.output = None if output is None else with_suffix(output)
        self._saving, self._started = Rarely(), time.perf_counter()
        self._teacher_scores: dict[str, float] | None = None
        self.identity: dict[str, Any] = {
            "distil": config.model_dump(mode="json"),
            "data": dataset.fingerprint,
            "teacher": None if self.teacher is None else self.teacher.identity,
            "val": None if val is None else val.fingerprint,
        }

    def _taught(self, dataset: CellDataset) -> Taught | None:
        if self.teacher is None:
            return None
        views = DatasetViews(dataset, self.teacher.spec, self.config.teacher_channels)
        return Taught(views, self.teacher, self.cache)

    def read(self) -> Steps[None]:
        """Show every image to the teacher, and prepare it for the student."""
        taught, held_out = self.items.taught, self._val_taught
        if taught is not None and taught.cache is not None:  # without one, preparing shows each image once
            self.items.taught = yield from teach_steps(taught.views, taught.teacher, taught.cache)
        if held_out is not None:
            self._val_taught = yield from teach_steps(held_out.views, held_out.teacher, held_out.cache)
        yield from self.items.read()

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices before the first step."""
        found = [*self.dataset.notices, *(() if self.val is None else self.val.notices)]
        count, known = len(self.dataset), len(self.items.with_truth)
        if "truth" in self.config.terms and 0 < known < count:
            found.append(f"drawn cells of {known} of {count} images are used")
        return tuple(found)

    def plan(self) -> Planned:
        """What is to come, in passes of the network over a view."""
        config, images = self.config, float(len(self.items))
        average = Part("average", 0.0 if config.average_from is None else _AVERAGE * config.batch_size)
        scored = Part(VALIDATE, _SCORED * (0 if self.val is None else len(self.val)))
        phases = (
            Phase((Part(TEACHER, _SCORED * images if self.teacher else 0.0), Part("read", images))),
            Phase((Part("train", _STEP * config.steps * config.batch_size),)),
            Phase((average, scored), config.validations if self.val is not None else 0, during=True),
            Phase((average,)),
        )
        used = (replace(phase, parts=tuple(part for part in phase.parts if part.weight)) for phase in phases)
        return planned(f"distil {config.student}", *(phase for phase in used if phase.parts and phase.times))

    @cached_property
    def _mpp(self) -> float | None:
        """As set, else that of the first image: images are then taken as they are."""
        if self.config.mpp is not None or not len(self.dataset):
            return self.config.mpp
        return self.dataset.load(0).image.mpp

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock of the output, so that no other training writes it."""
        return locked_file(self.output)

    def refuse_existing(self) -> None:
        """Refuse to replace a model or the state of an interrupted run; call with the lock."""
        if self.output is not None:
            refuse_existing(state_path(self.output), remedy="resume=True to continue this run")
            refuse_existing(self.output)

    def finished_before(self) -> ChannelCheckpoint | None:
        """The checkpoint of this run, if it is complete."""
        if self.output is None:
            raise ConfigurationError(
                "expected an output to resume from, got none; name the checkpoint's file"
            )
        if state_path(self.output).exists() or not self.output.exists():
            return None
        checkpoint = load_channel_checkpoint(self.output)
        same = checkpoint.training.get("identity") == self.identity
        return checkpoint if same and checkpoint.training.get("finished") else None

    def new_run(self) -> DistilRun:
        """A run before its first step."""
        config = self.config
        network = ChannelUNetConfig(
            encoder=config.student, channels=self._roles(), low=config.low, high=config.high
        )
        student = build_channel_unet(network, pretrained=config.pretrained, seed=config.seed)
        task = DistilTask(student, config, self.items.terms).to(self.device)
        return DistilRun(task, self.items, config, self.device)

    def _roles(self) -> tuple[str, ...]:
        """What the network's channels are called in its file."""
        if len(self.config.channels) <= len(ROLES):
            return ROLES[: len(self.config.channels)]
        names = self.dataset.channels
        return tuple(names[channel_index(names, which, "channel")] for which in self.config.channels)

    def open_state(self, run: DistilRun, *, resume: bool) -> str:
        """Restore the state, or write the first one, so that an unwritable output fails early.

        Returns what the user should know of it.
        """
        if self.output is None:
            return ""
        path = state_path(self.output)
        remove_partials(self.output)
        remove_partials(path)
        if resume:
            progress, tensors, threads = load_state(path, self.identity, STATE, frozenset())
            run.restore(progress, tensors)
            return threads_notice(threads, self.device)
        self.save_state(run)
        return ""

    def save_state(self, run: DistilRun) -> None:
        """Write the state of the run; of one that is being ended the state before that stays."""
        if self.output is not None and not run.progress.stopped:
            with self._saving.measured():
                save_state(state_path(self.output), run.progress, self.identity, run.tensors())

    def finish_round(self, run: DistilRun) -> Steps[EpochDone]:
        """Score the averaged student, write the checkpoint and the state."""
        number = run.progress.epoch + 1
        due = self.val is not None
        with kept_weights({"task": run.task}) if due else nullcontext():
            scores: dict[str, float] = {}
            if due:
                yield from run.use_average()
                scores = yield from self._scores(run)
            metrics = run.finish_round(scores)
            if due and self.output is not None:
                save_channel_checkpoint(self.output, self._checkpoint(run, metrics))
        if due or self._saving.due:
            self.save_state(run)
        return EpochDone("epoch", number, run.rounds, epoch=number - 1, metrics=metrics)

    def complete(self, run: DistilRun) -> Steps[ChannelCheckpoint]:
        """The run's result; written, and the state removed."""
        yield from run.use_average()
        run.task.eval().requires_grad_(False)
        metrics = {**run.progress.history[-1], "seconds": time.perf_counter() - self._started}
        checkpoint = self._checkpoint(run, metrics, finished=True)
        if self.output is not None:
            save_channel_checkpoint(self.output, checkpoint)
            state_path(self.output).unlink(missing_ok=True)
        return checkpoint

    def _scores(self, run: DistilRun) -> Steps[dict[str, float]]:
        if self.val is None:
            return {}
        predictor = CellPredictor(self._checkpoint(run, {}), str(self.device))
        scores = yield from student_scores(self.val, predictor, self.config, self._val_taught)
        if self._teacher_scores is None:  # once a run
            self._teacher_scores = {}
            if self._val_taught is not None and any(self.val.has_truth):
                self._teacher_scores = yield from teacher_scores(self.val, self._val_taught)
        if self._teacher_scores and scores:
            best = self._teacher_scores["dice"]
            scores |= {"teacher_dice": best, "recovery": scores["dice"] / best if best else float("nan")}
        return scores

    def _checkpoint(
        self, run: DistilRun, metrics: Mapping[str, float], *, finished: bool = False
    ) -> ChannelCheckpoint:
        early = run.ended_after is not None
        step = run.step_number if run.ended_after is None else run.ended_after
        return channel_checkpoint_of(
            run.task.student,
            mpp=self._mpp,
            object_diameter=self.items.diameter,
            metrics={f"val_{n}" if n in SCORES else n: value for n, value in metrics.items()},
            data_fingerprint=self.dataset.fingerprint,
            training={
                "finished": finished,
                "step": min(step, self.config.steps),
                **({"stopped": {"step": step, "steps": self.config.steps}} if early else {}),
                "images": len(self.items),
                "images_with_truth": len(self.items.with_truth),
                "teacher": None if self.teacher is None else self.teacher.spec.id,
                "identity": self.identity,
                "history": list(run.progress.history),
            },
        )
