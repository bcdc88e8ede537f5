"""The students of an evaluation, opened one at a time, and what their files say of their training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from napari_construct.evaluation.scores.models import model_names
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.cells.loading import load_cell_model
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_channel_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.types import PathLike

Kind: TypeAlias = Literal["student", "baseline"]

_FREE = frozenset({"seed", "memory_limit_mb", "validations"})
"""Settings that change no trained weight but by chance."""

_OF_TEACHER = frozenset({"terms", "teacher_channels", "learned_weights", "band_um", "band_px"})
"""Settings in which a run with a teacher and its baseline differ by nature."""


@dataclass(frozen=True, slots=True)
class Training:
    """What the file of a student says of its training; absent values are None.

    Attributes
    ----------
    encoder : str
        Of the network.
    seed : int or None
        Seed.
    settings : mapping
        Of the distillation, without those that change nothing.
    data, teacher : str or None
        Fingerprint of the images, identity of the teacher.
    teacher_name : str or None
        Its id.
    images, images_with_truth : int or None
        Training images, and those whose drawn cells were used.
    stopped : bool
        Whether it was ended before its last step.
    """

    encoder: str
    seed: int | None
    settings: Mapping[str, Any]
    data: str | None
    teacher: str | None
    teacher_name: str | None
    images: int | None
    images_with_truth: int | None
    stopped: bool

    @property
    def known(self) -> bool:
        """Whether the file says how it was trained."""
        return bool(self.settings)

    @property
    def key(self) -> str:
        """Equal for models that differ in the seed only."""
        return json.dumps(
            [self.encoder, dict(self.settings), self.data, self.teacher, self.stopped], sort_keys=True
        )

    @property
    def taught(self) -> int | None:
        """Number of training images that the teacher was shown."""
        if not self.known:
            return None
        return self.images if self.teacher is not None else 0

    def differs(self, other: Training) -> tuple[str, ...]:
        """In what two trainings differ beside the teacher and the seed."""
        names = sorted({*self.settings, *other.settings} - _OF_TEACHER)
        found = [name for name in names if self.settings.get(name) != other.settings.get(name)]
        return (*found, *(("data",) if self.data != other.data else ()))


def training_of(checkpoint: ChannelCheckpoint) -> Training:
    """Read the training record of a checkpoint; what it lacks is None."""
    told = checkpoint.training
    identity = told.get("identity")
    identity = identity if isinstance(identity, Mapping) else {}
    settings = identity.get("distil")
    settings = dict(settings) if isinstance(settings, Mapping) else {}
    return Training(
        encoder=checkpoint.config.encoder,
        seed=_whole(settings.get("seed")),
        settings={name: value for name, value in settings.items() if name not in _FREE},
        data=_text(identity.get("data")),
        teacher=_text(identity.get("teacher")),
        teacher_name=_text(told.get("teacher")),
        images=_whole(told.get("images")),
        images_with_truth=_whole(told.get("images_with_truth")),
        stopped=bool(told.get("stopped")),
    )


class CellModels:
    """Students by name or path; iterating opens one after the other, so that only one is in memory.

    Parameters
    ----------
    students, baselines : sequence of str, path or CellPredictor
        ``.construct`` files, names of imported models, or loaded models.
    device : str
        Device of models that are loaded here.

    Attributes
    ----------
    names, kinds, trainings : tuple
        Of all models, students first.

    Raises
    ------
    ConfigurationError
        If there is no student, a model is named twice, looks at several channels, or two of one
        configuration have the same seed.
    CheckpointError
        If one cannot be read or is no model for channels.
    """

    def __init__(
        self,
        students: Sequence[PathLike | CellPredictor],
        baselines: Sequence[PathLike | CellPredictor] = (),
        *,
        device: str = "auto",
    ) -> None:
        if not students:
            raise ConfigurationError("expected at least one student, got none; name one")
        resolve_device(device)
        given = (*students, *baselines)
        self._device = device
        self._models = tuple(m if isinstance(m, CellPredictor) else resolve_model(m) for m in given)
        self.names = model_names(self._models)
        self.kinds: tuple[Kind, ...] = tuple(
            "student" if i < len(students) else "baseline" for i in range(len(given))
        )
        self.trainings = tuple(map(self._training, self._models, self.names))
        self._refuse_twice()

    def _training(self, model: Path | CellPredictor, name: str) -> Training:
        if isinstance(model, CellPredictor):
            model.check_device(self._device)
            checkpoint = model.checkpoint
        else:
            checkpoint = load_channel_checkpoint(model)
        if len(checkpoint.channels) > 1:
            raise ConfigurationError(
                f"{name}: expected a student on one channel, got a model that looks at "
                f"{', '.join(checkpoint.channels)}; name it as the teacher (--teacher)"
            )
        return training_of(checkpoint)

    def _refuse_twice(self) -> None:
        seen: dict[tuple[str, int | None], str] = {}
        for name, training in zip(self.names, self.trainings, strict=True):
            if not training.known:
                continue
            other = seen.setdefault((training.key, training.seed), name)
            if other != name:
                raise ConfigurationError(
                    f"expected models that differ, got the same settings, data and seed in {other} and "
                    f"{name}; name one of them"
                )

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[CellPredictor]:
        for model in self._models:
            yield model if isinstance(model, CellPredictor) else load_cell_model(model, device=self._device)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
