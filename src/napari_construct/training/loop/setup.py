"""Data, validation, checkpoint and state of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Final

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.protocol import Encoder, freeze
from napari_construct.events import Doubt, EpochDone, Notice, Steps
from napari_construct.events.rarely import Rarely
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import locked_file
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.locations import refuse_existing, with_suffix
from napari_construct.models.network.calibration import Calibration
from napari_construct.training.calibration.guard import guard_steps
from napari_construct.training.calibration.guard_validation import raised_steps
from napari_construct.training.calibration.labelled_logits import MOST_PATCHES
from napari_construct.training.calibration.recalibrate import recalibrate_steps
from napari_construct.training.calibration.validation import Judge, score_of
from napari_construct.training.config.config import LEAST_STEPS, TrainingConfig
from napari_construct.training.loop.contents import contents_hash, threads_notice
from napari_construct.training.loop.identity import CONTENTS, present_identity, same_run, state_path
from napari_construct.training.loop.preparation import (
    check_classes,
    make_encoders,
    make_sampler,
    open_validation_data,
    patch_groups,
    settled_norms,
)
from napari_construct.training.loop.schedule import (
    LAST_AVERAGE,
    LAST_STATISTICS,
    Schedule,
    fit_told,
    image_area,
    named,
)
from napari_construct.training.loop.state import load_state, save_state
from napari_construct.training.loop.training_run import PSEUDO_LABELS, TrainingRun
from napari_construct.training.processes import join_processes
from napari_construct.training.views.patches import PatchStore, load_patches
from napari_construct.training.views.sheets import Sheets
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials

CALIBRATED: Final = (
    "class offsets, temperature and presence thresholds were fitted to the validation images; scores on "
    "these images are optimistic from now on (in Python calibrate_on_masks=False skips this)"
)


class TrainingSetup:
    """Checked arguments of :func:`~napari_construct.train`, with encoders and data."""

    def __init__(
        self,
        dataset: ImageLevelDataset,
        config: TrainingConfig,
        classes: ClassTable | None,
        val: ImageLevelDataset | PathLike | None,
        output: PathLike | None,
        encoder: Encoder | None,
        teacher: Encoder | None,
        device: str,
    ) -> None:
        self.dataset, self.classes = dataset, check_classes(dataset, classes)
        self.encoder, self.teacher, config = make_encoders(config, encoder, teacher)
        norms = settled_norms(config.norm_statistics, self.encoder.spec.id, dataset.labels)
        self.config = config = config.changed(norm_statistics=norms)
        masks, self.val = open_validation_data(val, dataset, config)
        self.masks = None if masks is None else masks.read_as(self.classes)
        self.groups = patch_groups(dataset, config)
        self.sampler = make_sampler(dataset, config)
        self.processes, self.device = join_processes(resolve_device(device), named=device != "auto")
        self.output = None if output is None else with_suffix(output)
        self.encoder_hash = encoder_hash(self.encoder)
        self.teacher_hash = None if self.teacher is None else encoder_hash(self.teacher)
        self.patches: PatchStore
        self.val_patches: PatchStore | None = None
        self.sheets: Sheets
        self.schedule: Schedule
        self._ended: dict[str, int] = {}
        self._saving = Rarely()
        self.identity: dict[str, Any] = {
            "config": self.config.model_dump(mode="json", exclude={"cache_folder"}),
            "classes": self.classes.model_dump(mode="json"),
            "data": dataset.fingerprint,
            **({} if output is None else {CONTENTS: contents_hash(dataset.paths)}),
            "encoder": self.encoder_hash,
            "teacher": self.teacher_hash,
        }

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices before the first step."""
        notices = []
        if self.masks is not None and self.masks.reading is not None:
            notices.append(f"validation: {self.masks.reading.words}; other values are ignored")
        if self.teacher is None and self.config.weights.distillation:
            notices.append("no teacher is set; the model is trained without distillation")
        steps, published = self.sampler.steps_per_epoch, self.config.model.preset == "published"
        if steps * self.config.epochs_of(steps) < LEAST_STEPS and not published:
            said = (
                f"{len(self.dataset)} patches make {steps} steps an epoch; with few patches more epochs are "
                f"better: {math.ceil(LEAST_STEPS / steps)} epochs make {LEAST_STEPS} steps"
            )
            notices.append(Doubt(said))
        return tuple(notices)

    @property
    def writes(self) -> bool:
        """Whether this process writes files."""
        return self.output is not None and self.processes.is_main

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock of the output, so that no other training writes it; free for other processes."""
        return locked_file(self.output if self.writes else None)

    def refuse_existing(self) -> None:
        """Refuse to replace a model or the state of an interrupted run; call with the lock."""
        if self.output is not None and self.writes:
            refuse_existing(state_path(self.output), remedy="resume=True to continue this run")
            refuse_existing(self.output)

    def finished_before(self) -> Checkpoint | None:
        """The checkpoint of this run, if it is complete."""
        if self.output is None:
            raise ConfigurationError(
                "expected an output to resume from, got none; name the checkpoint's file"
            )
        if state_path(self.output).exists() or not self.output.exists():
            return None
        checkpoint = load_checkpoint(self.output)
        same = same_run(present_identity(checkpoint.training.get("identity", {})), self.identity)
        return checkpoint if same and checkpoint.training.get("finished") else None

    def read(self) -> Steps[PatchStore]:
        """Read training and validation patches, and decide when the run validates."""
        self.patches = yield from load_patches(self.dataset, self.config, self.encoder.spec)
        if self.val is not None:
            view = self.patches.view
            self.val_patches = yield from load_patches(self.val, self.config, self.encoder.spec, view)
        labels, multiple = self.dataset.labels, self.encoder.spec.multiple
        self.sheets = Sheets(self.patches, labels, self.groups, self.config.seed, multiple)
        pairs = () if self.masks is None else tuple(self.masks.pairs)
        self.schedule = Schedule.of_run(
            self.config,
            self.sampler.steps_per_epoch,
            sheets=self.sheets.area,
            calibrated=min(MOST_PATCHES, len(self.val or self.dataset)),
            images=len(pairs),
            area=image_area(pairs, self.patches.view),
        )
        return self.patches

    def open_state(self, run: TrainingRun, *, resume: bool) -> str:
        """Restore the state, or write the first one, so that an unwritable output fails early.

        Returns what the user should know of it.
        """
        if self.output is None:
            return ""
        path = state_path(self.output)
        if self.processes.is_main:
            remove_partials(self.output)
            remove_partials(path)
        if resume:
            names = frozenset({"optimiser", "average", "bank", *run.modules()})
            optional = frozenset({"best_head", "best_encoder", PSEUDO_LABELS})
            progress, tensors, threads = load_state(path, self.identity, names, optional)
            run.restore(progress, tensors)
            return threads_notice(threads, self.device)
        self.save_state(run)
        return ""

    def save_state(self, run: TrainingRun) -> None:
        """Write the state of the run; of one that is being ended the state before that stays."""
        if self.writes and self.output is not None and not self._ended:
            with self._saving.measured():
                run.progress.scaler = run.optimisation.scaler.state_dict()
                save_state(state_path(self.output), run.progress, self.identity, run.tensors())

    def finish_epoch(self, run: TrainingRun, *, last: bool = False) -> Steps[EpochDone]:
        """Calibrate, validate, write the checkpoint (after validations) and the state.

        The state is also written between validations, as often as its time allows: a run resumes from any
        of its steps exactly. ``last`` says that no epoch follows.
        """
        epoch, total = run.progress.epoch + 1, run.epochs
        due = last or epoch in self.schedule.validated
        with run.kept() if due else nullcontext():
            scores: dict[str, float] = {}
            if due:
                yield from run.use_average()
                yield from run.see_images()
                scores = yield from self._validate(run, epoch, last=last or epoch == total)
            metrics = run.finish_epoch(scores)
            if due:
                calibration = Calibration.model_validate(run.progress.calibration)
                better = not self.config.keeps_best or run.judge(
                    score_of(metrics, self.config.score), metrics, calibration
                )
                if self.writes and self.output is not None and (better or not self.output.exists()):
                    save_checkpoint(self.output, self._checkpoint(run, calibration, metrics, epoch=epoch))
        if due or self._saving.due:
            self.save_state(run)
        return EpochDone("epoch", epoch, total, epoch=epoch - 1, metrics=metrics)

    def end(self, run: TrainingRun) -> Steps[None]:
        """End a run after the present step: the epoch at hand is closed and validated as the last one is.

        If this is interrupted, the run resumes from that step.
        """
        self.save_state(run)
        self._ended = {"step": run.step_number, "steps": run.total_steps, "epochs": run.epochs}
        yield self.schedule.ending()
        yield (yield from self.finish_epoch(run, last=True))

    def complete(self, run: TrainingRun) -> Steps[Checkpoint]:
        """The run's result; written, and the state removed."""
        progress, epoch = run.progress, run.progress.epoch
        calibration, metrics = progress.calibration, progress.history[-1]
        if self.config.keeps_best and progress.best is not None:
            run.use_best()
            calibration, metrics = progress.best["calibration"], progress.best["metrics"]
            epoch = progress.best["epoch"]
        else:
            yield from named(run.use_average(), LAST_AVERAGE)
            yield from named(run.see_images(), LAST_STATISTICS)
        checkpoint = self._checkpoint(
            run, Calibration.model_validate(calibration), metrics, epoch=epoch, finished=True
        )
        freeze(self.encoder)  # type: ignore[arg-type]
        if self.masks is not None and self.config.calibrate_on_masks and self.processes.is_main:
            fitted = recalibrate_steps(
                checkpoint, self.masks, offsets=True, encoder=self.encoder, device=str(self.device)
            )
            checkpoint = yield from fit_told(fitted, len(self.masks.pairs))
            yield Notice("train", 0, 0, CALIBRATED)
        if self.processes.is_main:
            guard = yield from guard_steps(run.model, self.patches, self.groups, self.device)
            if guard is not None and (self.masks is not None or self.val is not None):
                predictor = Predictor(checkpoint, str(self.device), encoder=self.encoder)
                groups = None if self.val is None else self.val.groups
                guard = yield from raised_steps(guard, predictor, self.masks, self.val_patches, groups)
            checkpoint = replace(checkpoint, guard=guard)
        if self.writes and self.output is not None:
            save_checkpoint(self.output, checkpoint)
            state_path(self.output).unlink(missing_ok=True)
        return checkpoint

    def stopped_notice(self, run: TrainingRun) -> str:
        """Why training ended by itself before the last epoch; empty if it did not."""
        best = run.progress.best
        if not run.progress.stopped:
            return ""
        since = "" if best is None else f" since epoch {best['epoch']}, which is kept"
        return f"stopped after epoch {run.progress.epoch}: no validation was better{since}"

    def _validate(self, run: TrainingRun, epoch: int, *, last: bool) -> Steps[dict[str, float]]:
        """Scores; the main process finds them and the calibration, and tells the others."""
        message: dict[str, Any] = {}
        if self.processes.is_main:
            patience = self.config.patience or run.epochs
            last = last or run.progress.validations_since_best + 1 >= patience

            def predictor(calibration: Calibration) -> Predictor:
                checkpoint = self._checkpoint(run, calibration, {}, epoch=epoch)
                return Predictor(checkpoint, str(self.device), encoder=self.encoder)

            judge = Judge(self.dataset, self.patches, self.masks, self.val, self.val_patches, self.device)
            calibration, scores = yield from judge.steps(
                run.model, predictor, run.kept_levels, check_order=last
            )
            message = {"calibration": calibration.model_dump(mode="json"), "scores": scores}
        told = self.processes.broadcast(message, self.device)
        run.progress.calibration = told["calibration"]
        found: dict[str, float] = told["scores"]
        return found

    def _checkpoint(
        self,
        run: TrainingRun,
        calibration: Calibration,
        metrics: Mapping[str, float],
        *,
        epoch: int,
        finished: bool = False,
    ) -> Checkpoint:
        return checkpoint_of(
            run.model,
            self.classes,
            calibration,
            with_encoder=run.task.trains_encoder,
            mpp=self.patches.view.mpp,
            metrics=dict(metrics),
            data_fingerprint=self.dataset.fingerprint,
            training={
                "finished": finished,
                "epoch": epoch,
                **({"stopped": self._ended} if self._ended else {}),
                "patch": self.patches.view.size,
                "scale": self.patches.view.scale,
                "patches": len(self.dataset),
                "identity": self.identity,
                "history": list(run.progress.history),
            },
        )
