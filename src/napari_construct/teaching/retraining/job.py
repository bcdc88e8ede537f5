"""One retraining, from checked arguments to the checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.catalogue.lookup import state_hash
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import EpochDone, Notice, Planned, Resumed, Steps, in_a_row, planned
from napari_construct.events.rarely import Rarely
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.locations import refuse_existing, resolve_model, with_suffix
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.teaching.retraining.calibrate import with_temperature
from napari_construct.teaching.retraining.choices import (
    check_kind,
    notices,
    opened,
    settled,
    shared_config,
    view_size,
)
from napari_construct.teaching.retraining.corrections import checked, described, digest
from napari_construct.teaching.retraining.held_out import split, strokes_of
from napari_construct.teaching.retraining.looks import Look, look_steps, parts_of
from napari_construct.teaching.retraining.loop import Retraining
from napari_construct.teaching.retraining.parts import Crops, PartSheets
from napari_construct.teaching.retraining.replay import Replay, replay_steps
from napari_construct.teaching.retraining.scores import compare, share_changed, stroke_matrices
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.teaching.strokes import Strokes
from napari_construct.training.calibration.fit_calibration import fit_calibration
from napari_construct.training.calibration.guard import guard_steps
from napari_construct.training.calibration.labelled_logits import labelled_logits_steps
from napari_construct.training.calibration.recalibrate import (
    check_same_classes,
    recalibrate_steps,
)
from napari_construct.training.calibration.validation import mask_scores_steps
from napari_construct.training.loop.identity import state_path
from napari_construct.training.loop.progress import Progress
from napari_construct.training.loop.state import load_state, save_state
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials

BEFORE, AFTER = "held_out_miou_before", "held_out_miou"
"""Names of the scores in metrics and events."""


class RetrainJob:
    """Checked arguments of :func:`~napari_construct.teaching.retrain.retrain`."""

    def __init__(
        self,
        model: Checkpoint | PathLike,
        corrections: Sequence[Strokes],
        settings: RetrainSettings,
        classes: ClassTable | None,
        replay: ImageLevelDataset | None,
        val: ImageLevelDataset | PathLike | None,
        output: PathLike | None,
        encoder: Encoder | None,
        device: str,
        *,
        any_encoder: bool = False,
    ) -> None:
        self._path = None if isinstance(model, Checkpoint) else resolve_model(model)
        self.old = model if isinstance(model, Checkpoint) else load_checkpoint(resolve_model(model))
        check_kind(self.old)
        self.output = None if output is None else with_suffix(output)
        self._refuse_old()
        self.corrections = checked(corrections, classes, self.old.classes)
        self.replay, self._encoder, self._any_encoder = replay, encoder, any_encoder
        if replay is not None:
            check_same_classes(replay, self.old.classes.names, "old data")
        self.settings = settings = settled(settings, replay, len(self.old.classes))
        self.keep = settings.keep if isinstance(settings.keep, float) else 0.0
        self.val = opened(val, self.old.classes, settings)
        self.split = split(strokes_of(self.corrections), settings.held_out, settings.seed)
        self.device = resolve_device(device)
        self.place = str(self.device)
        self._saving = Rarely()
        self.identity: dict[str, Any] = {
            "retraining": settings.model_dump(mode="json"),
            "model": state_hash(self.old.head_state) + self.old.encoder_hash,
            "corrections": digest(self.corrections),
            "data": None if replay is None else replay.fingerprint,
        }

    def refuse_existing(self) -> None:
        """Refuse to replace a model or the state of an interrupted run; call with the lock."""
        if self.output is not None:
            refuse_existing(state_path(self.output), remedy="resume=True to continue this run")
            refuse_existing(self.output)

    def steps(self, stop: Callable[[], bool] | None, *, resume: bool) -> Steps[Checkpoint]:
        """Train, calibrate, score and write."""
        if resume and (finished := self._finished_before()) is not None:
            return finished
        started = time.perf_counter()
        predictor = Predictor(self.old, self.place, encoder=self._encoder, any_encoder=self._any_encoder)
        network = self._network()
        config = shared_config(self.settings, self.old, predictor)
        pixels = sum(strokes.painted.size for strokes in self.corrections)
        yield _plan(self.old, self.settings, pixels / float(config.image_size or 256) ** 2)
        left_out, old_data = len(self.split.left_out), self.replay is not None
        for text in notices(self.settings, self.old, predictor.spec, config, left_out, replay=old_data):
            yield Notice("train", 0, 0, text)
        replay = None
        if self.replay is not None:
            replay = yield from replay_steps(self.replay, config, predictor.spec, self.device)
        size = view_size(predictor, replay)
        looked = range(len(self.corrections)) if self.keep else self.split.images
        before = yield from look_steps(self.corrections, set(looked), predictor, "look")
        parts = parts_of(
            self.corrections,
            self.split,
            predictor,
            before if self.keep else {},
            self.settings.min_confidence,
            size,
        )
        k, seed = len(self.old.classes), self.settings.seed
        offsets = self.old.calibration.class_offsets or (0.0,) * k
        shifts = torch.tensor(offsets) * self.old.calibration.temperature
        crops = Crops(parts, k, size, seed)
        loop = Retraining(network, crops, replay, self.keep, shifts, self.settings, config, size, self.device)
        yield from self._open_state(loop, resume=resume)
        if self.split.left_out:
            yield self._scored(before, "before", 0)
        yield from self._train(loop, stop)
        sheets = [
            PartSheets(parts, k, predictor.spec.multiple),
            *(() if replay is None else (replay.sheets,)),
        ]
        yield from loop.finish(sheets)
        checkpoint = yield from self._finished(network, loop, replay, before)
        metrics = {**checkpoint.metrics, "seconds": time.perf_counter() - started}
        checkpoint = replace(checkpoint, metrics=metrics)
        if self.output is not None:
            save_checkpoint(self.output, checkpoint)
            state_path(self.output).unlink(missing_ok=True)
        return checkpoint

    def _train(self, loop: Retraining, stop: Callable[[], bool] | None) -> Steps[None]:
        try:
            while not loop.finished:
                if loop.done and stop is not None and stop():
                    break
                yield loop.step()
                if self._saving.due:
                    self._save(loop)
        except GeneratorExit:
            self._save(loop)
            raise

    def _finished(
        self, network: PixelNetwork, loop: Retraining, replay: Replay | None, before: Mapping[int, Look]
    ) -> Steps[Checkpoint]:
        """The calibrated and scored checkpoint."""
        old, settings = self.old, self.settings
        calibration: Calibration = old.calibration
        guard = None if loop.trains_encoder else old.guard
        if replay is not None:
            _, logits = yield from labelled_logits_steps(
                network, replay.patches, replay.dataset.labels, self.device
            )
            found = fit_calibration(logits, held_out=False).presence_thresholds
            calibration = calibration.model_copy(update={"presence_thresholds": found})
            if loop.trains_encoder:
                guard = yield from guard_steps(network, replay.patches, replay.dataset.groups, self.device)
        record: dict[str, Any] = {
            "model": {
                "name": None if self._path is None else self._path.name,
                "sha256": None if self._path is None else file_hash(self._path),
                "head_sha256": state_hash(old.head_state),
                "encoder_sha256": old.encoder_hash,
            },
            "images": described(self.corrections, old.classes),
            "learned_strokes": len(self.split.learned),
            "left_out_strokes": len(self.split.left_out),
            "replay": None
            if replay is None
            else {"patches": len(replay.dataset), "fingerprint": replay.dataset.fingerprint},
            "settings": settings.model_dump(mode="json"),
            "steps": loop.done,
            "trained_encoder": loop.trains_encoder,
        }
        kept = {name: value for name, value in old.training.items() if name not in ("identity", "history")}
        checkpoint = checkpoint_of(
            network,
            old.classes,
            calibration,
            with_encoder=old.encoder_state is not None,
            mpp=old.mpp,
            data_fingerprint=old.data_fingerprint,
            guard=guard,
            training={**kept, "finished": True, "identity": self.identity, "corrections": record},
        )
        if self.split.left_out:
            checkpoint = yield from self._compared(checkpoint, before, record)
        return (yield from self._validated(checkpoint))

    def _compared(
        self, checkpoint: Checkpoint, before: Mapping[int, Look], record: Mapping[str, Any]
    ) -> Steps[Checkpoint]:
        """The checkpoint with its temperature, and with the scores of both models in its record."""
        left, names = self.split, self.old.classes.names
        predictor = Predictor(checkpoint, self.place, encoder=self._encoder_again(checkpoint))
        after = yield from look_steps(self.corrections, left.images, predictor, "score")
        calibration = with_temperature(checkpoint.calibration, left, after, predictor)
        masks = [{i: looks[i].labels for i in left.images} for looks in (before, after)]
        old, new = (stroke_matrices(left, labels, len(names)) for labels in masks)
        changed = share_changed(left, *masks)
        first, second, difference = compare(left, old, new, names, self.settings.seed, changed)
        yield self._scored(after, "after", 1)
        scores = {"before": first.plain(), "after": second.plain(), "difference": difference.plain()}
        return replace(
            checkpoint,
            calibration=calibration,
            metrics={BEFORE: first.mean_iou, AFTER: second.mean_iou},
            training={**checkpoint.training, "corrections": {**record, "scores": scores}},
        )

    def _scored(self, looks: Mapping[int, Look], when: str, number: int) -> EpochDone:
        labels = {i: looks[i].labels for i in self.split.images}
        counts = stroke_matrices(self.split, labels, len(self.old.classes))
        scores = compare(self.split, counts, counts, self.old.classes.names, self.settings.seed)[0]
        metrics = {} if scores.mean_iou is None else {AFTER: scores.mean_iou}
        return EpochDone("epoch", number, 1, when, epoch=number - 1, metrics=metrics)

    def _validated(self, checkpoint: Checkpoint) -> Steps[Checkpoint]:
        if self.val is None:
            return checkpoint
        encoder = self._encoder_again(checkpoint)
        if isinstance(self.val, ImageLevelDataset):
            return (
                yield from recalibrate_steps(
                    checkpoint, self.val, mpp=self.settings.patch_mpp, encoder=encoder, device=self.place
                )
            )
        predictor = Predictor(checkpoint, self.place, encoder=encoder)
        scores = yield from mask_scores_steps(self.val, predictor)
        return replace(checkpoint, metrics={**checkpoint.metrics, **scores})

    def _network(self) -> PixelNetwork:
        """A copy of the old network, to be changed."""
        network = build_from_checkpoint(self.old, self._encoder, any_encoder=self._any_encoder)
        return network.to(self.device)

    def _encoder_again(self, checkpoint: Checkpoint) -> Encoder | None:
        """The user's own encoder, where the checkpoint is made with one."""
        return self._encoder if checkpoint.encoder_state is None or self._encoder is not None else None

    def _refuse_old(self) -> None:
        """The old model stays as it is, whatever is asked for."""
        if self.output is None or self._path is None or not os.path.lexists(self.output):
            return
        if self.output.exists() and self.output.samefile(self._path):
            raise ConfigurationError(
                f"{self.output}: expected another file than the model that is retrained, got the same one; "
                "choose another name, the old model is kept to compare and to go back to"
            )

    def _open_state(self, loop: Retraining, *, resume: bool) -> Steps[None]:
        if self.output is None:
            return
        remove_partials(self.output)
        remove_partials(state_path(self.output))
        if not resume:
            self._save(loop)
            return
        names = frozenset({"optimiser", "average", *loop.modules()})
        found, tensors, _ = load_state(state_path(self.output), self.identity, names, frozenset())
        loop.restore(found.step_in_epoch, tensors)
        yield Resumed("train", loop.done, self.settings.steps)

    def _save(self, loop: Retraining) -> None:
        if self.output is not None:
            with self._saving.measured():
                progress = Progress(step_in_epoch=loop.done)
                save_state(state_path(self.output), progress, self.identity, loop.tensors())

    def _finished_before(self) -> Checkpoint | None:
        """The checkpoint of this run, if it is complete."""
        if self.output is None:
            raise ConfigurationError("expected an output to resume from, got none; name the new model's file")
        if state_path(self.output).exists() or not self.output.exists():
            return None
        found = load_checkpoint(self.output)
        return found if found.training.get("identity") == self.identity else None


def _plan(old: Checkpoint, settings: RetrainSettings, views: float) -> Planned:
    """What is to come, in passes of the network over a view; ``views`` are those of all corrected images."""
    return planned(
        f"retrain {old.config.encoder}",
        in_a_row(("look", views)),
        in_a_row(("train", 4.0 * settings.steps * settings.batch_size)),
        in_a_row(("score", views)),
    )
