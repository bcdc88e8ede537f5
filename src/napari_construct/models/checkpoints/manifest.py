"""What the manifest of a checkpoint must hold; checked before its tensors are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.guard import COLOURS, FARTHEST, MAX_CHANNELS, Guard
from napari_construct.reading.pytorch.tensor_headers import Described

Name = Annotated[str, Field(max_length=200)]


class Part(BaseModel):
    """Fields that later versions add are no error; ``format_version`` says what must be understood."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EncoderIdentity(Part):
    """The encoder that the head was trained with."""

    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    redistributable: Annotated[bool, Field(strict=True)]


class TrainingRecord(Part):
    """How the model was trained; what is read of it later has a type, the rest is for people."""

    model_config = ConfigDict(frozen=True, extra="allow")

    scale: Annotated[float, Field(gt=0, le=1000, strict=True)] = 1.0
    epoch: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    placed: list[dict[str, Any]] = []
    identity: dict[str, Any] = {}
    history: list[dict[str, Any]] = []


_Distance = Annotated[float, Field(gt=0, le=FARTHEST, allow_inf_nan=False)]


class GuardRecord(Part):
    """What a guard says beside its tensors."""

    levels: Annotated[tuple[Annotated[int, Field(ge=0, lt=100)], ...], Field(min_length=1, max_length=100)]
    limits: tuple[_Distance, _Distance, _Distance]
    patches: Annotated[int, Field(ge=0, lt=2**31, strict=True)]
    groups: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0

    @classmethod
    def of(cls, guard: Guard) -> GuardRecord:
        return cls(levels=guard.levels, limits=guard.limits, patches=guard.patches, groups=guard.groups)

    def with_tensors(self, state: Mapping[str, Tensor]) -> Guard:
        return Guard(
            self.levels,
            state["channels"],
            state["mean"],
            state["whitening"],
            self.limits,
            self.patches,
            self.groups,
        )

    def contradiction(self, tensors: Mapping[str, Described]) -> str:
        """What is wrong with the tensors; empty if nothing is."""
        d = tensors["mean"].shape[0] if "mean" in tensors and len(tensors["mean"].shape) == 1 else 0
        wanted = {"channels": ("I64", (d,)), "mean": ("F32", (d,)), "whitening": ("F32", (d, d))}
        found = {name: (one.dtype, one.shape) for name, one in tensors.items()}
        if found != wanted or not 0 < d <= MAX_CHANNELS + COLOURS:
            return (
                "a guard of other tensors than mean, channels and whitening of 1 to "
                f"{MAX_CHANNELS + COLOURS} channels"
            )
        return ""


class Manifest(Part):
    """The JSON of a checkpoint; fields as in :class:`~.checkpoint.Checkpoint`."""

    config: ModelConfig
    classes: ClassTable
    calibration: Calibration
    encoder: EncoderIdentity
    mpp: Annotated[float, Field(gt=0, le=1000, strict=True)] | None
    metrics: dict[Name, Any]
    data_fingerprint: Name | None
    training: TrainingRecord
    versions: dict[Name, Name]
    guard: GuardRecord | None = None

    def contradiction(
        self, head: Mapping[str, Described], guard: Mapping[str, Described] | None = None
    ) -> str:
        """What contradicts what, in one sentence without a full stop; empty if nothing does.

        Parameters
        ----------
        head : mapping of str to Described
            Types and shapes of the head's tensors.
        guard : mapping of str to Described, optional
            Those of the guard's; None if there are none.
        """
        if (self.guard is None) != (guard is None):
            return "a guard without its tensors, or tensors without their guard"
        if self.guard is not None and guard is not None and (wrong := self.guard.contradiction(guard)):
            return wrong
        config, calibration, k = self.config, self.calibration, len(self.classes)
        if wrong := _wrong_head(config, k, head):
            return wrong
        for what, numbers in (
            ("presence thresholds", calibration.presence_thresholds),
            ("class offsets", calibration.class_offsets),
        ):
            if len(numbers) not in (0, k):
                return f"{len(numbers)} {what}, where there are {k} classes"
        return ""


def _wrong_head(config: ModelConfig, k: int, head: Mapping[str, Described]) -> str:
    """What is wrong with the tensors of a head of k classes; empty if nothing is."""
    known = k if config.taught is None else config.taught.known
    if known > k:
        return f"a base of {known} classes, where there are {k}"
    wanted = _tensors(config, known)
    if config.taught is not None:
        wanted = {f"base.{name}": shape for name, shape in wanted.items()} if known else {}
        wanted |= {"bias": ("offsets", (k,)), "base_offsets": ("offsets of the base", (known,))}
    for name, (what, shape) in wanted.items():
        found = head[name].shape if name in head else None
        if found is None or len(found) != len(shape) or not all(map(_fits, found, shape)):
            return f"{what} of shape {found}, where {k} classes need {shape}"
    if any(owner >= known for owner in config.placed):
        return f"a placed prototype of class {max(config.placed)}, where there are {known}"
    return ""


def _tensors(config: ModelConfig, k: int) -> dict[str, tuple[str, tuple[int | None, ...]]]:
    """What a trained head of k classes, or the base of a taught one, must hold: what it is, and its shape."""
    n = len(config.placed)
    wanted: dict[str, tuple[str, tuple[int | None, ...]]]
    if config.taught is not None and (words := config.taught.words) is not None:
        return {"prototypes": ("embeddings", (k, words.prototypes, words.width))}
    if config.network == "unet":
        wanted = {"score.weight": ("scores", (k, config.fusion_width, 1, 1))}
    else:
        vectors = (k * config.prototypes_per_class, config.prototype_width)
        wanted = {"prototypes.vectors": ("prototypes", vectors)}
    if n:
        wanted["placed.vectors"] = (f"{n} placed prototypes", (n, None))
        wanted["placed.offsets"] = (f"offsets of {n} placed prototypes", (n,))
    return wanted


def _fits(found: int, wanted: int | None) -> bool:
    return wanted is None or found == wanted
