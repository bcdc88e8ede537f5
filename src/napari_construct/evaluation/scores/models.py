"""The models of one evaluation, for example the seeds of one recipe: opened one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.loaded_network import LoadedNetwork
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.types import PathLike


class ScoredModels:
    """Models by name or path; iterating opens one after the other, so that only one is in memory.

    Parameters
    ----------
    models : sequence of str, path or Predictor
        At least one; names of bundled models, ``.construct`` files, or loaded models.
    device : str
        Device of models that are loaded here.
    encoder_weights : path, optional
        File of the encoder's weights, where you must get them yourself.
    any_encoder : bool
        Take an encoder of another hash than the models were trained with; scores are then those of other
        models.

    Attributes
    ----------
    classes : ClassTable
        Of the first.
    names : tuple of str
        Names in tables.

    Raises
    ------
    ConfigurationError
        If their classes differ, a model is named twice, or a loaded one is on another device.
    CheckpointError
        If one cannot be read.
    """

    def __init__(
        self,
        models: Sequence[PathLike | Predictor],
        *,
        device: str = "auto",
        encoder_weights: PathLike | None = None,
        any_encoder: bool = False,
    ) -> None:
        if not models:
            raise ConfigurationError("expected at least one model, got none; name one")
        self._models = tuple(m if isinstance(m, Predictor) else resolve_model(m) for m in models)
        self._device, self._weights, self._any_encoder = device, encoder_weights, any_encoder
        for loaded in self._models:
            if isinstance(loaded, Predictor):
                loaded.check_device(device)
        checkpoints = [m.checkpoint if isinstance(m, Predictor) else load_checkpoint(m) for m in self._models]
        tables = [checkpoint.classes for checkpoint in checkpoints]
        self.classes: ClassTable = tables[0]
        self.names = model_names(self._models)
        self._uses_crf = any(checkpoint.uses_crf for checkpoint in checkpoints)
        if not any_encoder:
            _check_encoders(self.names, checkpoints)
        for name, table in zip(self.names, tables, strict=True):
            if table.names != self.classes.names:
                raise ConfigurationError(
                    f"expected models of the same classes, got {', '.join(self.classes.names)} in "
                    f"{self.names[0]} and {', '.join(table.names)} in {name}; evaluate them separately"
                )

    def resolved(self, settings: SegmentSettings) -> SegmentSettings:
        """Settings with "auto" replaced: the CRF if any of the models uses it."""
        return settings.resolved(uses_crf=self._uses_crf)

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[Predictor]:
        for model in self._models:
            if isinstance(model, Predictor):
                yield model
            else:
                yield load_model(
                    model,
                    device=self._device,
                    encoder_weights=self._weights,
                    any_encoder=self._any_encoder,
                )


def _check_encoders(names: Sequence[str], checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse, before any work, models whose frozen encoders cannot all be the one at hand."""
    first: dict[str, tuple[str, str]] = {}
    for name, checkpoint in zip(names, checkpoints, strict=True):
        if checkpoint.encoder_state is not None:
            continue
        encoder = checkpoint.config.encoder
        other, digest = first.setdefault(encoder, (name, checkpoint.encoder_hash))
        if digest != checkpoint.encoder_hash:
            raise ConfigurationError(
                f"expected models trained with the same weights of the encoder {encoder}, got "
                f"{digest[:12]} in {other} and {checkpoint.encoder_hash[:12]} in {name}; evaluate each "
                "model separately"
            )


def model_names(models: Sequence[Path | LoadedNetwork]) -> tuple[str, ...]:
    """The shortest distinct names of models: file stems, whole paths, or numbered names."""
    short = [m.stem if isinstance(m, Path) else m.name for m in models]
    if len(set(short)) == len(short):
        return tuple(short)
    paths = [str(m) if isinstance(m, Path) else m.name for m in models]
    twice = sorted({str(m) for m in models if isinstance(m, Path) and paths.count(str(m)) > 1})
    if twice:
        raise ConfigurationError(
            f"expected different models, got {twice[0]} more than once; name each model once"
        )
    if len(set(paths)) == len(paths):
        return tuple(paths)
    return tuple(f"{name} {i}" for i, name in enumerate(paths, start=1))
