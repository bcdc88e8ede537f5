"""Every number of a training run, in one frozen object; the same behind Python, files and command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_construct.exceptions import ConfigurationError
from napari_construct.models.config import ModelConfig, Preset
from napari_construct.types import PathLike

_Share = Annotated[float, Field(ge=0, le=1)]
_Weight = Annotated[float, Field(ge=0, le=1000)]


class LossWeights(BaseModel):
    """Factors of the parts of the objective; 0 leaves a part out (it is not computed).

    The defaults are what measurement favours (docs/experiments.md); the paper's are :meth:`published`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classification: _Weight = 1.0
    distillation: _Weight = 0.2
    contrast: _Weight = 0.0

    @classmethod
    def published(cls) -> LossWeights:
        """The weights of the paper."""
        return cls(classification=1.0, distillation=1.5, contrast=0.2)


class AugmentationConfig(BaseModel):
    """How far training views may lie from the patch on disk.

    Parameters
    ----------
    flips, rotations : bool
        Mirror images and quarter turns: tissue has no up.
    crop_area : tuple of float
        Least and largest share of the patch's area that a view shows, resized to the input size.
    aspect : float
        Largest ratio of the sides of a crop, at least 1.
    brightness, contrast : float
        Largest relative change.
    stain_gain : float
        Largest relative change of the amount of each stain (hematoxylin, eosin, residual).
    stain_offset : float
        Largest amount of each stain that is added or removed, in units of optical density.
    stain_swap, grey : float
        Share of views that receive some of the stain of another view of the batch, or lose some of
        their colour.
    focus : float
        Share of views that are blurred or sharpened.
    noise : float
        Largest standard deviation of white noise, for RGB in [0, 1].
    mosaic : float
        Share of views that receive a strip of another view; labels are then known for both parts. The
        published objective knows no mosaics.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flips: bool = True
    rotations: bool = True
    crop_area: tuple[_Share, _Share] = (0.6, 1.0)
    aspect: Annotated[float, Field(ge=1, le=2)] = 1.2
    brightness: _Share = 0.1
    contrast: _Share = 0.1
    stain_gain: _Share = 0.25
    stain_offset: _Share = 0.05
    stain_swap: _Share = 0.5
    grey: _Share = 0.25
    focus: _Share = 0.5
    noise: _Share = 0.02
    mosaic: _Share = 0.6

    @model_validator(mode="after")
    def _ordered(self) -> AugmentationConfig:
        low, high = self.crop_area
        if not 0.01 <= low <= high:
            raise ValueError(f"expected crop_area from small to large, at least 0.01, got {low} to {high}")
        return self

    @classmethod
    def none(cls) -> AugmentationConfig:
        """The patch as it is."""
        return cls(
            flips=False,
            rotations=False,
            crop_area=(1.0, 1.0),
            aspect=1.0,
            brightness=0.0,
            contrast=0.0,
            stain_gain=0.0,
            stain_offset=0.0,
            stain_swap=0.0,
            grey=0.0,
            focus=0.0,
            noise=0.0,
            mosaic=0.0,
        )


class TrainingConfig(BaseModel):
    """Settings of a training run.

    Parameters
    ----------
    model : ModelConfig
        The network, its encoder and its teacher.
    epochs, batch_size : int
        Passes over the patches; patches in a step.
    image_size : int or None
        Side of the network's square input in pixels. None takes what ``mpp`` implies, or the size of
        the patches; either way a multiple of what the encoder needs.
    patch_mpp : float or None
        Micrometres per pixel of the patches on disk, where known.
    mpp : float or None
        Micrometres per pixel that the network shall see. None shows the whole patch: at
        ``image_size``, or at the encoder's own resolution where both are known.
    learning_rate, weight_decay : float
        Of AdamW.
    decay_all : bool
        Whether vectors and scalars (biases, norms, temperature) are decayed, too.
    encoder_learning_rate : float or None
        Trains the encoder too, if its licence allows to store the result; None keeps it frozen.
    schedule : {"polynomial", "cosine", "constant"}
        Course of the learning rate after the warm-up.
    warm_up : float
        Share of all steps over which the rate rises linearly from zero.
    clip_norm : float or None
        Bound on the norm of the gradient.
    weights : LossWeights
        Factors of the parts of the objective.
    class_balance : bool
        Whether patches with and without a class have the same say in its classification loss, however
        many there are of each. The published objective counts patches.
    labels_speak_of : {"parts", "cells"}
        What an image-level label is compared with: the pooled logits of a patch (or of each part of a
        mosaic), or every cell of the CAM. "cells" is for patches that hold one class each and little
        else; it needs no pooling to be undone by the network.
    contrast_form : {"tokens", "regions"}
        "tokens" pools the map that the CAM is read from under the soft mask; "regions" encodes the
        masked image again, as published, and needs an encoder with an image embedding.
    temperature : float
        Of the contrast.
    memory_bank : int
        Background embeddings remembered as further negatives; 0 for none.
    augmentation : AugmentationConfig
        Views of the patches.
    precision : {"float32", "bf16"}
        "bf16" computes the network in bfloat16 where the device can; losses stay in float32.
    seed : int
        Of initial values, order and augmentation. Equal seeds give equal runs on a CPU.
    num_workers : int
        Threads that decode patches, where not all of them fit into memory.
    memory_limit_mb : int
        Patches are kept decoded in memory up to this many megabytes.
    keep : {"last", "best"}
        "best" returns the epoch with the highest validation score. A score that chose the epoch is
        no longer an unbiased one.
    validate_every : int
        Epochs from one validation to the next; the last epoch is always validated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelConfig = ModelConfig()
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    image_size: Annotated[int, Field(ge=16, le=4096)] | None = None
    patch_mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 1e-2
    decay_all: bool = False
    encoder_learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    schedule: Literal["polynomial", "cosine", "constant"] = "cosine"
    warm_up: _Share = 0.05
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0
    weights: LossWeights = LossWeights()
    class_balance: bool = True
    labels_speak_of: Literal["parts", "cells"] = "parts"
    contrast_form: Literal["tokens", "regions"] = "tokens"
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.07
    memory_bank: Annotated[int, Field(ge=0, le=1_000_000)] = 2048
    augmentation: AugmentationConfig = AugmentationConfig()
    precision: Literal["float32", "bf16"] = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    num_workers: Annotated[int, Field(ge=0, le=256)] = 2
    memory_limit_mb: Annotated[int, Field(ge=0)] = 2000
    keep: Literal["last", "best"] = "last"
    validate_every: Annotated[int, Field(ge=1)] = 1

    @classmethod
    def of_preset(cls, preset: Preset, **changes: Any) -> TrainingConfig:
        """Settings of a preset with some fields changed; "published" has the paper's numbers."""
        fields: dict[str, Any] = {"model": ModelConfig.of_preset(preset)}
        if preset == "published":
            fields |= {
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
                "augmentation": AugmentationConfig.none().model_copy(update={"flips": True}),
            }
        return _validated(cls, fields | changes)

    @classmethod
    def load(cls, path: PathLike, **changes: Any) -> TrainingConfig:
        """Read settings from a YAML or JSON file; fields that are not in it keep their defaults.

        A top-level ``preset`` chooses the defaults; ``model`` is merged into the preset's field by field.

        Raises
        ------
        ConfigurationError
            If the file is missing, not YAML or JSON, or holds an unknown field or an impossible value.
        """
        fields = _read(Path(path))
        preset = fields.pop("preset", "construct")
        if preset not in ("construct", "published"):
            raise ConfigurationError(f"{path}: expected preset construct or published, got {preset!r}")
        base = cls.of_preset(preset).model_dump()
        fields["model"] = base["model"] | dict(fields.get("model") or {})
        try:
            return _validated(cls, base | fields | changes)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from error

    def changed(self, **changes: Any) -> TrainingConfig:
        """Copy with some fields changed and everything checked again."""
        return _validated(type(self), self.model_dump() | changes)


def _validated(cls: type[TrainingConfig], fields: dict[str, Any]) -> TrainingConfig:
    try:
        return cls.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise ConfigurationError(
            f"training configuration: {where}: {first['msg']}, got {first.get('input')!r}; correct this field"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        fields = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{path}: expected settings in YAML or JSON, got {error}") from error
    if not isinstance(fields, dict):
        raise ConfigurationError(
            f"{path}: expected names and values, got {type(fields).__name__}; write one `name: value` a line"
        )
    return {str(name): value for name, value in fields.items()}
