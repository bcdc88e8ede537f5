"""Settings of a training run; Python, files and command line use the same object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from napari_construct.exceptions import ConfigurationError
from napari_construct.models.network.config import ModelConfig, Preset
from napari_construct.reading.foreign import quoted
from napari_construct.settings import Settings
from napari_construct.training.config.files import read_settings
from napari_construct.training.config.parts import AugmentationConfig, LossWeights, NormStatistics, Share
from napari_construct.types import PathLike

__all__ = ["AugmentationConfig", "LossWeights", "TrainingConfig"]

EPOCHS: Final = 20
LEAST_STEPS: Final = 400
"""Fewer steps hardly learn tissue (docs/experiments.md)."""


class TrainingConfig(Settings):
    """Settings of a training run.

    Parameters
    ----------
    model : ModelConfig
        The network, its encoder and its teacher. Encoder "auto" is the bundled "lite0", pre-trained on
        ImageNet.
    epochs : int or None
        Passes over the patches; None takes 20, or with few patches as many as make 400 steps.
    batch_size : int
        Patches per step.
    accumulate : int
        Parts in which student and teacher encode a batch; more parts need less memory. The head sees the
        whole batch, so the step equals that of the undivided batch up to rounding. A trained encoder encodes
        twice.
    sampling : {"uniform", "balanced", "label_sets"}
        "uniform" visits every patch once per epoch. "balanced" draws classes with equal probability, and
        within a class its patients or slides (see :mod:`~.views.sampling`). "label_sets" does the same for
        sets of classes, so that patches of a single class are not lost among mixed ones.
    group_pattern : str or None
        Regular expression for the patient or slide in a patch's file name, for example ``(p[0-9]+)_``. None
        uses the table's column ``group``, if it has one.
    image_size : int or None
        Side of the network's square input in pixels. None derives it from ``mpp`` or from the size of the
        patches, rounded to a multiple that the encoder accepts.
    patch_mpp : float or None
        Micrometres per pixel of the patches on disk; None if unknown.
    mpp : float or None
        Micrometres per pixel of the network's input. None shows the whole patch: at ``image_size``, or at the
        encoder's own resolution if both resolutions are known.
    learning_rate, weight_decay : float
        Of AdamW.
    decay_all : bool
        Whether weight decay also applies to vectors and scalars (biases, norms, temperature).
    encoder_learning_rate : float, "auto" or None
        Trains the encoder, too, if its licence allows its weights to be stored. None keeps it frozen. "auto"
        trains "lite0", "lite1", "lite2", "mini", "small" and "medium" at ``learning_rate`` and keeps all
        others frozen.
    norm_statistics : {"auto", "batch", "frozen"}
        Statistics of the batch normalisation of a trained encoder. "batch" takes those of every batch;
        "frozen" keeps those of its pre-training. "auto" freezes them in "lite0", "lite1" and "lite2" if every
        patch has one class: then unseen slides are told apart better (docs/experiments.md).
    schedule : {"polynomial", "cosine", "constant"}
        Learning rate schedule after the warm-up.
    warm_up : float
        Share of all steps over which the learning rate rises linearly from zero.
    clip_norm : float or None
        Largest norm of the gradient; None does not clip.
    average_from : float or None
        Share of the steps after which weights are averaged over steps. The average is validated and kept (see
        :mod:`~napari_construct.training.loop.averaging`). None keeps the weights of the last step.
    average_decay : float or None
        Decay of an exponential average, for example 0.99; None weights all steps equally.
    norm_batches : int
        Training batches that give the averaged network's batch normalisation statistics.
    weights : LossWeights
        Weights of the losses.
    pseudo_labels_from : float or None
        Share of the steps after which the averaged network gives pseudo labels to cells of patches with
        several classes; training uses them (see :mod:`~napari_construct.training.loop.pseudo_labels`).
        Averaging then restarts. None uses no pseudo labels. Without effect if no patch has several classes,
        with ``label_target="parts"`` and with ``feature_cache``.
    pseudo_label_rounds : int
        How often pseudo labels are made, at equal intervals over the rest of the run. Later rounds use a
        better network.
    pseudo_label_confidence : float
        Least probability at which a cell gets a pseudo label.
    class_balance : bool
        Whether patches with and without a class have the same total weight in its classification loss. The
        published objective weights all patches equally.
    label_target : {"parts", "cells"}
        What an image-level label supervises: the pooled logits of a patch (or of each part of a mosaic), or
        every cell of the CAM. With "cells", classes are exclusive: a cell belongs to one of the classes of
        its patch, and each of these occurs somewhere in it (see
        :mod:`~napari_construct.losses.partial_labels`). Patches of a single class then teach most.
    contrast_form : {"tokens", "regions"}
        "tokens" pools the map that the CAM is read from under the soft mask; "regions" encodes the
        masked image again, as published, and needs an encoder with an image embedding.
    contrast_pairs : {"labels", "background"}
        Pairs of the contrast. "background" is published: the rest of a patch is pulled to the other classes,
        even if the patch holds no other class. "labels" uses labels only: a region's negatives are regions of
        patches without its class, and the rest of a patch is pushed from the class only if the patch is
        labelled with another class, too.
    temperature : float
        Of the contrast.
    memory_bank : int
        Embeddings of earlier steps that are kept as negatives; 0 keeps none.
    prototype_start : {"auto", "text", "examples", "noise"}
        Initial prototypes: embeddings of the classes' prompts, k-means of the features of the class's
        training patches, or seeded random directions. "auto" takes text if the encoder embeds texts, noise
        otherwise.
    augmentation : AugmentationConfig
        Augmentation of the patches.
    feature_cache : bool
        Whether frozen features are computed once and kept on disk (half precision). Each patch then has
        ``views_per_patch`` fixed views, mosaics and stain swaps included.
    views_per_patch : int
        Augmented views of each patch in the feature cache.
    cache_folder : str or None
        Folder of the features; by default ``napari-construct/features`` in the user's cache folder.
    cache_gb : float
        Largest size of the folder in gigabytes; the least recently used features are deleted first.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Precision of the network; losses stay in float32. "auto" takes bfloat16 on GPUs that support it,
        float16 on other GPUs, float32 elsewhere (half precision is slow in the backward pass on CPUs).
    seed : int
        Seed of initial values, order and augmentation. Equal seeds give equal runs on a CPU.
    num_workers : int
        Threads that decode patches, if not all fit into memory.
    memory_limit_mb : int
        Patches are kept decoded in memory up to this many megabytes.
    score : {"auto", "miou", "f1", "loss"}
        Validation score. mIoU needs masks; macro F1 and cross-entropy of presence need patches with labels.
        "auto" takes mIoU with masks, cross-entropy otherwise.
    keep : {"last", "best"}
        "best" returns the epoch with the best validation score. The score of that epoch is then biased.
    patience : int or None
        Validations without a better score after which training stops; the best epoch is kept.
    calibrate_on_masks : bool
        Whether temperature, presence thresholds and class offsets are fitted to validation images with masks,
        if there are any. Validation scores are computed before this fit.
    first_class : {"auto", 0, 1}
        Value of the first class in validation masks: 0; 1 where 0 is unlabelled; or derived from the masks
        (:func:`~napari_construct.data.mask_values.mask_reading`).
    mask_order : tuple of str or None
        The classes in the order of the values of validation masks; None if that is their order in the model.
    validate_every : int or "auto"
        Epochs from one validation to the next; the last epoch is always validated. "auto" chooses from the
        numbers of steps, patches and images, before the first step, so that validations take about a
        twentieth of the run (see :mod:`~napari_construct.training.loop.validations`).
    """

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"labels_speak_of": "label_target"}

    model: ModelConfig = ModelConfig(encoder="auto", prototypes_per_class=4, cam_stride=4)
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1
    sampling: Literal["uniform", "balanced", "label_sets"] = "label_sets"
    group_pattern: str | None = None
    image_size: Annotated[int, Field(ge=16, le=4096)] | None = None
    patch_mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 2e-2
    decay_all: bool = False
    encoder_learning_rate: Annotated[float, Field(gt=0, le=10)] | Literal["auto"] | None = "auto"
    norm_statistics: NormStatistics = "auto"
    schedule: Literal["polynomial", "cosine", "constant"] = "constant"
    warm_up: Share = 0.1
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0
    average_from: Annotated[float, Field(ge=0, lt=1)] | None = 0.3
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    norm_batches: Annotated[int, Field(ge=1, le=10_000)] = 20
    weights: LossWeights = LossWeights()
    pseudo_labels_from: Annotated[float, Field(gt=0, lt=1)] | None = 0.5
    pseudo_label_rounds: Annotated[int, Field(ge=1, le=100)] = 1
    pseudo_label_confidence: Share = 0.7
    class_balance: bool = True
    label_target: Literal["parts", "cells"] = "cells"
    contrast_form: Literal["tokens", "regions"] = "tokens"
    contrast_pairs: Literal["labels", "background"] = "labels"
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.07
    memory_bank: Annotated[int, Field(ge=0, le=1_000_000)] = 2048
    prototype_start: Literal["auto", "text", "examples", "noise"] = "auto"
    augmentation: AugmentationConfig = AugmentationConfig()
    feature_cache: bool = False
    views_per_patch: Annotated[int, Field(ge=1, le=1000)] = 4
    cache_folder: str | None = None
    cache_gb: Annotated[float, Field(gt=0, le=100_000)] = 20.0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    num_workers: Annotated[int, Field(ge=0, le=256)] = 2
    memory_limit_mb: Annotated[int, Field(ge=0)] = 2000
    score: Literal["auto", "miou", "f1", "loss"] = "auto"
    keep: Literal["last", "best"] = "last"
    patience: Annotated[int, Field(ge=1)] | None = None
    calibrate_on_masks: bool = True
    first_class: Literal["auto", 0, 1] = "auto"
    mask_order: tuple[str, ...] | None = None
    validate_every: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _agree(self) -> TrainingConfig:
        if self.feature_cache and isinstance(self.encoder_learning_rate, float):
            raise ValueError(
                "expected a frozen encoder with feature_cache, got an encoder_learning_rate; features of a "
                "trained encoder change with every step"
            )
        if self.feature_cache and self.weights.contrast and self.contrast_form == "regions":
            raise ValueError(
                "expected contrast_form tokens with feature_cache, got regions, which encodes images anew "
                "in every step"
            )
        return self

    def epochs_of(self, steps_per_epoch: int) -> int:
        """Epochs of a run with so many steps per epoch."""
        return self.epochs or max(EPOCHS, math.ceil(LEAST_STEPS / steps_per_epoch))

    @property
    def keeps_best(self) -> bool:
        """Whether the best validated epoch is the result."""
        return self.keep == "best" or self.patience is not None

    @classmethod
    def of_preset(cls, preset: Preset, **changes: Any) -> TrainingConfig:
        """Settings of a preset with some fields changed; "published" has the paper's numbers."""
        fields: dict[str, Any] = {}
        if preset == "published":
            fields |= {
                "model": ModelConfig.of_preset(preset),
                "epochs": 2,
                "batch_size": 10,
                "image_size": 224,
                "learning_rate": 2e-5,
                "weight_decay": 1e-3,
                "decay_all": True,
                "schedule": "polynomial",
                "warm_up": 0.0,
                "clip_norm": None,
                "class_balance": False,
                "weights": LossWeights.published(),
                "contrast_form": "regions",
                "contrast_pairs": "background",
                "sampling": "uniform",
                "encoder_learning_rate": None,
                "average_from": None,
                "pseudo_labels_from": None,
                "calibrate_on_masks": False,
                "label_target": "parts",
                "validate_every": 1,
                "augmentation": AugmentationConfig.none().model_copy(update={"flips": True}),
            }
        return cls.checked(**fields | changes)

    @classmethod
    def load(cls, path: PathLike, **changes: Any) -> TrainingConfig:
        """Read settings from a YAML or JSON file; other fields keep their defaults.

        A top-level ``preset`` chooses the defaults; ``model`` is merged into the preset's field by field.

        Raises
        ------
        ConfigurationError
            If the file is missing, not YAML or JSON, or holds an unknown field or an invalid value.
        """
        fields = cls.renamed(read_settings(Path(path)))
        preset = fields.pop("preset", "construct")
        if preset not in ("construct", "published"):
            raise ConfigurationError(f"{path}: expected preset construct or published, got {quoted(preset)}")
        base = cls.of_preset(preset).model_dump()
        model = fields.get("model") or {}
        fields["model"] = base["model"] | model if isinstance(model, dict) else model
        try:
            return cls.checked(**base | fields | cls.renamed(changes))
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from error
