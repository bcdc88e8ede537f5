"""Encoders, configuration, validation data and groups of a run, checked against each other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Num
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.splits import group_names
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.efficientnet_lite import SCALES as LITE
from napari_construct.encoders.networks.lite import BUNDLED
from napari_construct.encoders.networks.mini import UNTRAINED
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import ConfigurationError
from napari_construct.training.calibration.validation import MaskedImages, open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.parts import NormStatistics
from napari_construct.training.objective.regions import has_text
from napari_construct.training.views.sampling import Sampler, balanced_probabilities, label_sets
from napari_construct.types import PathLike

TRAINED: Final = frozenset({"mini", *LITE, *UNTRAINED})
"""The encoders that ``encoder_learning_rate="auto"`` trains along."""


def student_id(config: TrainingConfig) -> str:
    """Id of the encoder of a run; "auto" is the bundled one, which is pre-trained (docs/experiments.md)."""
    return BUNDLED if config.model.encoder == "auto" else config.model.encoder


def trains_encoder(config: TrainingConfig, encoder_id: str) -> bool:
    """Whether a run trains the encoder; resolves ``encoder_learning_rate="auto"``."""
    if config.encoder_learning_rate == "auto":
        return encoder_id in TRAINED and not config.feature_cache
    return config.encoder_learning_rate is not None


def settled_norms(asked: NormStatistics, encoder_id: str, labels: Num[NDArray[Any], "n k"]) -> NormStatistics:
    """``norm_statistics``, "auto" resolved.

    Statistics of batches make a network trained on patches of one class each call what it has not seen by the
    class with more varied patches; with patches of several classes they are better (docs/experiments.md).
    """
    if asked != "auto":
        return asked
    return "frozen" if encoder_id in LITE and bool((labels.sum(1) <= 1).all()) else "batch"


def check_classes(dataset: ImageLevelDataset, classes: ClassTable | None) -> ClassTable:
    """The class table, or one of the dataset's names.

    Raises
    ------
    ConfigurationError
        If it has another number of classes.
    """
    table = classes or ClassTable.from_names(dataset.class_names)
    if len(table) != len(dataset.class_names):
        raise ConfigurationError(
            f"expected {len(dataset.class_names)} classes, as the dataset has "
            f"({', '.join(dataset.class_names)}), got {len(table)}; correct the class table"
        )
    return table


def make_encoders(
    config: TrainingConfig, encoder: Encoder | None, teacher: Encoder | None
) -> tuple[Encoder, Encoder | None, TrainingConfig]:
    """Student and teacher, and the configuration with their ids in it.

    Raises
    ------
    ConfigurationError
        If an encoder is to be trained whose licence forbids storing it, or one with random weights is not to
        be trained.
    """
    student = create_encoder(student_id(config)) if encoder is None else encoder
    if config.encoder_learning_rate == "auto":
        trained = trains_encoder(config, student.spec.id)
        config = config.changed(encoder_learning_rate=config.learning_rate if trained else None)
    if encoder is None and student.spec.id in UNTRAINED and config.encoder_learning_rate is None:
        raise ConfigurationError(
            f"expected the encoder {student.spec.id}, whose weights are random, to be trained, got a "
            "frozen one; leave encoder_learning_rate at auto and feature_cache off, or choose another "
            "encoder"
        )
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


def open_validation_data(
    val: ImageLevelDataset | PathLike | None, dataset: ImageLevelDataset, config: TrainingConfig
) -> tuple[MaskedImages | None, ImageLevelDataset | None]:
    """Images with masks, or patches with labels, or neither.

    Raises
    ------
    ConfigurationError
        If classes differ, or the validation score of the settings is not available.
    """
    masked = val is not None and not isinstance(val, ImageLevelDataset)
    labelled = isinstance(val, ImageLevelDataset)
    if config.patience is not None and val is None:
        raise ConfigurationError("expected validation data with patience, got none; give some (--val)")
    if config.score == "miou" and val is not None and not masked:
        raise ConfigurationError(
            "expected validation images with masks for score miou, got patches with labels; choose f1 or loss"
        )
    if config.score in ("f1", "loss") and val is not None and not labelled:
        raise ConfigurationError(
            f"expected validation patches with labels for score {config.score}, got images with masks; "
            "choose miou"
        )
    if not isinstance(val, ImageLevelDataset):
        if val is None:
            return None, None
        return open_masked(Path(val), config.patch_mpp, config.first_class, config.mask_order), None
    if val.class_names != dataset.class_names:
        raise ConfigurationError(
            f"expected validation patches with the classes {', '.join(dataset.class_names)}, got "
            f"{', '.join(val.class_names)}; use the same classes in the same order"
        )
    return None, val


def patch_groups(dataset: ImageLevelDataset, config: TrainingConfig) -> tuple[str, ...] | None:
    """Slide or patient of every patch, where it is known.

    Raises
    ------
    DatasetError
        If a name does not match ``group_pattern``.
    """
    pattern = config.group_pattern
    return dataset.groups if pattern is None else group_names(dataset.names, pattern)


def make_sampler(dataset: ImageLevelDataset, config: TrainingConfig) -> Sampler:
    """Which patches each step sees.

    Raises
    ------
    DatasetError
        If a name does not match ``group_pattern``.
    """
    probabilities = None
    if config.sampling != "uniform":
        labels = np.array(dataset.labels)
        if config.sampling == "label_sets":
            labels = label_sets(labels)
        probabilities = balanced_probabilities(labels, patch_groups(dataset, config))
    return Sampler(config.seed, len(dataset), config.batch_size, probabilities)


def label_tensor(dataset: ImageLevelDataset) -> torch.Tensor:
    """Labels (n, k) as floats."""
    return torch.from_numpy(np.array(dataset.labels)).float()
