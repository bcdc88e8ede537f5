"""What surrounds the steps of a training run: parts, validation, checkpoint and state."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.catalogue import create_encoder, encoder_hash
from napari_construct.encoders.protocol import Encoder, freeze
from napari_construct.events import EpochDone, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.devices import resolve_device
from napari_construct.inference.predictor import Predictor
from napari_construct.models.builder import build_model
from napari_construct.models.calibration import Calibration
from napari_construct.models.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
    with_suffix,
)
from napari_construct.training.calibrate import fit_calibration
from napari_construct.training.config import TrainingConfig
from napari_construct.training.labelled_logits import labelled_logits_steps
from napari_construct.training.patches import PatchStore, View, load_patches
from napari_construct.training.regions import has_text, text_encoder
from napari_construct.training.run import TrainingRun
from napari_construct.training.state import load_state, remove_partials, save_state, state_path
from napari_construct.training.task import TrainingTask
from napari_construct.training.validation import (
    MaskedImages,
    label_scores,
    mask_scores_steps,
    open_masked,
    score_of,
)
from napari_construct.types import PathLike


class Job:
    """Arguments of :func:`~napari_construct.training.trainer.train`, checked, and what follows from them."""

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
        self.dataset, self.device = dataset, resolve_device(device)
        self.classes = classes or ClassTable.from_names(dataset.class_names)
        if len(self.classes) != len(dataset.class_names):
            raise ConfigurationError(
                f"expected {len(dataset.class_names)} classes, as the dataset has "
                f"({', '.join(dataset.class_names)}), got {len(self.classes)}; correct the class table"
            )
        self.encoder, self.teacher, self.config = _parts(config, encoder, teacher)
        self.output = None if output is None else with_suffix(output)
        self.masks, self.val = _validation(val, dataset, config)
        self.val_patches: PatchStore | None = None
        self.encoder_hash = encoder_hash(self.encoder)
        self.identity: dict[str, Any] = {
            "config": self.config.model_dump(mode="json"),
            "classes": self.classes.model_dump(mode="json"),
            "data": dataset.fingerprint,
            "encoder": self.encoder_hash,
            "teacher": None if self.teacher is None else encoder_hash(self.teacher),
        }

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know before the first step."""
        if self.teacher is None and self.config.weights.distillation:
            return ("no teacher is named, so the model is trained without distillation",)
        return ()

    @property
    def trains_encoder(self) -> bool:
        return self.config.encoder_learning_rate is not None

    def finished_before(self) -> Checkpoint | None:
        """The checkpoint of this very run, if it is complete already."""
        if self.output is None:
            raise ConfigurationError(
                "expected an output to resume from, got none; name the checkpoint's file"
            )
        if state_path(self.output).exists() or not self.output.exists():
            return None
        checkpoint = load_checkpoint(self.output)
        same = checkpoint.training.get("identity") == self.identity
        return checkpoint if same and checkpoint.training.get("finished") else None

    def make_run(self, patches: PatchStore, start: Float[Tensor, "k p d"] | None) -> TrainingRun:
        """Model, task and optimiser on the device."""
        config = self.config
        if start is None and has_text(self.encoder):
            start = _text_start(self.encoder, self.classes, config.model.prototypes_per_class)
        model = build_model(config.model, self.encoder, len(self.classes), start=start, seed=config.seed)
        if self.trains_encoder:
            self.encoder.requires_grad_(True)  # type: ignore[attr-defined]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)  # whatever the task starts at random
            labels = torch.from_numpy(np.array(self.dataset.labels)).float()
            task = TrainingTask(model, self.teacher, config, labels).to(self.device)
        return TrainingRun(task, patches, self.dataset.labels, config, self.device)

    def open_validation(self, view: View) -> Steps[None]:
        """Read validation patches, where there are any."""
        if self.val is not None:
            self.val_patches = yield from load_patches(self.val, self.config, self.encoder.spec, view)

    def open_state(self, run: TrainingRun, *, resume: bool) -> None:
        """Restore the state, or write the first one: what cannot be written should fail now, not later."""
        if self.output is None:
            return
        path = state_path(self.output)
        remove_partials(self.output)
        remove_partials(path)
        if resume:
            names = frozenset({"head", "optimiser", "bank"} | ({"encoder"} if self.trains_encoder else set()))
            run.restore(*load_state(path, self.identity, names, frozenset({"best_head", "best_encoder"})))
        else:
            self.save_state(run)

    def save_state(self, run: TrainingRun) -> None:
        """Write where the run stands."""
        if self.output is not None:
            save_state(state_path(self.output), run.progress, self.identity, run.tensors())

    def finish_epoch(self, run: TrainingRun) -> Steps[EpochDone]:
        """Calibrate, validate, write the checkpoint and the state."""
        epoch, total = run.progress.epoch + 1, self.config.epochs
        scores: dict[str, float] = {}
        if epoch % self.config.validate_every == 0 or epoch == total:
            calibration = yield from self._calibrate(run, scores)
            if self.masks is not None:
                checkpoint = self._checkpoint(run, calibration, {}, epoch=epoch)
                predictor = Predictor(checkpoint, str(self.device), encoder=self.encoder)
                scores |= yield from mask_scores_steps(self.masks, predictor)
            run.progress.calibration = calibration.model_dump(mode="json")
        metrics = run.finish_epoch(scores)
        score, best = score_of(metrics), True
        if self.config.keep == "best" and score is not None:
            calibration = Calibration.model_validate(run.progress.calibration)
            best = run.remember_best(score, metrics, calibration)
        if self.output is not None:
            if best or not self.output.exists():
                calibration = Calibration.model_validate(run.progress.calibration)
                save_checkpoint(self.output, self._checkpoint(run, calibration, metrics, epoch=epoch))
            self.save_state(run)
        return EpochDone("epoch", epoch, total, epoch=epoch - 1, metrics=metrics)

    def complete(self, run: TrainingRun) -> Checkpoint:
        """The run's result; written, and the state removed."""
        progress, epoch = run.progress, run.progress.epoch
        calibration, metrics = progress.calibration, progress.history[-1]
        if self.config.keep == "best" and progress.best is not None:
            run.use_best()
            calibration, metrics = progress.best["calibration"], progress.best["metrics"]
            epoch = progress.best["epoch"]
        checkpoint = self._checkpoint(
            run, Calibration.model_validate(calibration), metrics, epoch=epoch, finished=True
        )
        freeze(self.encoder)  # type: ignore[arg-type]
        if self.output is not None:
            save_checkpoint(self.output, checkpoint)
            state_path(self.output).unlink(missing_ok=True)
        return checkpoint

    def _calibrate(self, run: TrainingRun, scores: dict[str, float]) -> Steps[Calibration]:
        """Fit on validation patches where there are any, and score those; on training patches otherwise."""
        if self.val is None or self.val_patches is None:
            _, data = yield from labelled_logits_steps(
                run.model, run.patches, self.dataset.labels, self.device
            )
            return fit_calibration(data, held_out=False)
        chosen, data = yield from labelled_logits_steps(
            run.model, self.val_patches, self.val.labels, self.device
        )
        calibration = fit_calibration(data)
        scores |= label_scores(torch.from_numpy(data.pooled), self.val.subset(chosen), calibration)
        return calibration

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
            with_encoder=self.trains_encoder,
            mpp=run.patches.view.mpp,
            metrics=dict(metrics),
            data_fingerprint=self.dataset.fingerprint,
            training={
                "finished": finished,
                "epoch": epoch,
                "patch": run.patches.view.size,
                "patches": len(run.patches),
                "identity": self.identity,
                "history": list(run.progress.history),
            },
        )


def _parts(
    config: TrainingConfig, encoder: Encoder | None, teacher: Encoder | None
) -> tuple[Encoder, Encoder | None, TrainingConfig]:
    """Student and teacher, and the configuration with their ids in it."""
    student = create_encoder(config.model.encoder) if encoder is None else encoder
    if config.encoder_learning_rate is not None:
        if not student.spec.redistributable:
            raise ConfigurationError(
                f"expected an encoder whose licence allows its weights to be stored, got {student.spec.id} "
                f"({student.spec.licence}); leave encoder_learning_rate out to keep it frozen"
            )
        student = copy.deepcopy(student)
    wanted = config.weights.distillation > 0 and config.model.guidance_levels
    if teacher is None and wanted and config.model.teacher is not None:
        teacher = create_encoder(config.model.teacher)
    changes: dict[str, Any] = {"encoder": student.spec.id}
    if teacher is not None:
        changes["teacher"] = teacher.spec.id
    if has_text(student) and student.spec.embedding_width != config.model.prototype_width:
        changes["prototype_width"] = student.spec.embedding_width
    return student, teacher, config.changed(model=config.model.model_dump() | changes)


def _text_start(encoder: Encoder, classes: ClassTable, per_class: int) -> Float[Tensor, "k p d"]:
    with torch.no_grad():
        embeddings = text_encoder(encoder).embed_texts([c.prompt or c.name for c in classes]).float().cpu()
    return F.normalize(embeddings, dim=-1)[:, None].repeat(1, per_class, 1)


def _validation(
    val: ImageLevelDataset | PathLike | None, dataset: ImageLevelDataset, config: TrainingConfig
) -> tuple[MaskedImages | None, ImageLevelDataset | None]:
    if val is None:
        return None, None
    if not isinstance(val, ImageLevelDataset):
        return open_masked(Path(val), config.patch_mpp), None
    if val.class_names != dataset.class_names:
        raise ConfigurationError(
            f"expected validation patches with the classes {', '.join(dataset.class_names)}, got "
            f"{', '.join(val.class_names)}; use the same classes in the same order"
        )
    return None, val
