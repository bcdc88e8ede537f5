"""What a retraining settles before its first step: that it can, settings without "auto", and what to say."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.events import Doubt
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.teaching.retraining.parts import MOST_CLASSES
from napari_construct.teaching.retraining.replay import Replay
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.training.calibration.recalibrate import check_same_classes, view_config
from napari_construct.training.calibration.validation import MaskedImages, open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.types import PathLike

KEPT: Final = 3.0
"""Weight of what the old model was sure of, without old data (docs/training.md)."""

KEPT_WITH_OLD_DATA: Final = 1.0
"""The same beside old data."""


def check_kind(old: Checkpoint) -> None:
    """Refuse models that cannot be retrained.

    Raises
    ------
    ConfigurationError
        If it is one of the published preset, or one taught by example.
    """
    if old.config.preset == "published":
        raise ConfigurationError(
            "expected a model whose masks are decided by probabilities, got one of the published preset, "
            "whose maps are stretched each by its own extremes; train one with the defaults, and correct that"
        )
    if old.config.taught is not None:
        raise ConfigurationError(
            "expected a model trained from patches, got one taught by example; paint more in Teach instead"
        )


def settled(settings: RetrainSettings, replay: ImageLevelDataset | None, classes: int) -> RetrainSettings:
    """Settings without "auto"."""
    norms = settings.norm_statistics
    if norms == "auto":
        norms = "frozen" if replay is None else "batch"
    keep = settings.keep
    if not isinstance(keep, float):
        keep = KEPT if replay is None else KEPT_WITH_OLD_DATA
    if classes > MOST_CLASSES:
        keep = 0.0
    return settings.changed(norm_statistics=norms, keep=keep)


def view_size(predictor: Predictor, replay: Replay | None) -> int:
    """Side of a view."""
    if replay is not None:
        return replay.patches.view.size
    multiple = predictor.spec.multiple
    return max(predictor.patch // multiple, 1) * multiple


def opened(
    val: ImageLevelDataset | PathLike | None, classes: ClassTable, settings: RetrainSettings
) -> ImageLevelDataset | MaskedImages | None:
    """Validation data, checked before anything is trained."""
    if isinstance(val, ImageLevelDataset):
        check_same_classes(val, classes.names)
    if val is None or isinstance(val, ImageLevelDataset):
        return val
    return open_masked(Path(val), settings.patch_mpp, settings.first_class).read_as(classes)


def shared_config(settings: RetrainSettings, old: Checkpoint, predictor: Predictor) -> TrainingConfig:
    """The settings in the form that parts shared with training take."""
    shown, multiple = view_config(predictor, settings.patch_mpp), predictor.spec.multiple
    trained = old.encoder_state is not None and predictor.spec.redistributable
    size = shown.image_size
    return shown.changed(
        image_size=None if size is None else max(size // multiple, 1) * multiple,
        batch_size=max(settings.batch_size // 2, 1),
        learning_rate=settings.learning_rate,
        encoder_learning_rate=settings.encoder_learning_rate if trained else None,
        weight_decay=settings.weight_decay,
        augmentation=settings.augmentation.model_dump(),
        seed=settings.seed,
        num_workers=settings.num_workers,
        memory_limit_mb=settings.memory_limit_mb,
    )


def notices(
    settings: RetrainSettings,
    old: Checkpoint,
    spec: EncoderSpec,
    config: TrainingConfig,
    left_out: int,
    *,
    replay: bool,
) -> tuple[str, ...]:
    """What the user should know before the first step."""
    said: list[str] = []
    if not left_out and settings.held_out:
        said.append(
            Doubt(
                "too few corrections to leave some out: paint at least three strokes of a class; it will not "
                "be known whether the model became better"
            )
        )
    if config.encoder_learning_rate is None and settings.encoder_learning_rate is not None:
        why = (
            "the model holds no weights of its own for it"
            if old.encoder_state is None
            else f"its licence ({spec.licence}) does not allow its weights to be stored"
        )
        said.append(f"the encoder {spec.id} stays frozen: {why}")
    elif not replay and old.guard is not None and config.encoder_learning_rate is not None:
        said.append(
            "the new model has no guard against images unlike its training patches, which is made of old "
            "data; give its training patches (--replay) to keep one"
        )
    return tuple(said)
