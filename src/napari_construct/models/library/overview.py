"""Trained models on this computer: list, facts, removal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.catalogue.overview import status_of
from napari_construct.encoders.folders import models_folder
from napari_construct.encoders.hub.store import remove as remove_weights
from napari_construct.exceptions import CheckpointError, ConstructError
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_any
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.locations import SUFFIX, bundled_models, imported_models
from napari_construct.models.checkpoints.taught_words import taught_by
from napari_construct.reading.places import is_file, size_of
from napari_construct.types import PathLike


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A trained model on this computer.

    Attributes
    ----------
    name : str
        Name of the model.
    path : Path
        Its file.
    bundled : bool
        Whether it comes with the package; otherwise the user imported it.
    size : int
        Bytes.
    facts : mapping
        Facts of :func:`model_facts`; empty if the model cannot be read.
    problem : str
        Why it cannot be used, and a remedy; empty if it can.
    """

    name: str
    path: Path
    bundled: bool
    size: int
    facts: dict[str, Any]
    problem: str = ""


def trained_models() -> dict[str, Path]:
    """Models on this computer, bundled and imported: name and file."""
    return imported_models() | bundled_models()


def model_overview(others: Sequence[Path] = ()) -> tuple[ModelStatus, ...]:
    """Every trained model on this computer; one that is damaged, or whose encoder is absent, says so.

    Parameters
    ----------
    others : sequence of Path
        Checkpoints in any folder, which are neither bundled nor imported.
    """
    bundled = bundled_models()
    named = [_status(name, path, name in bundled) for name, path in trained_models().items()]
    return (*named, *(_status(path.stem, path, False) for path in others))


def _status(name: str, path: Path, bundled: bool) -> ModelStatus:
    try:
        facts, problem = model_facts(path), ""
    except ConstructError as error:
        facts, problem = {}, str(error)
    except (OSError, MemoryError) as error:
        facts, problem = {}, f"{path}: cannot be read ({error}); check its permissions, or remove it"
    if facts and "channels" not in facts:  # those have their encoder inside
        problem = missing_encoder(facts["encoder"])
    return ModelStatus(name, path, bundled, size_of(path), facts, problem)


def missing_encoder(encoder: str) -> str:
    """How to get a model's missing encoder; empty if none is missing."""
    from napari_construct.encoders.catalogue.lookup import how_to_get
    from napari_construct.models.network.builder import SCRATCH

    if encoder.startswith(SCRATCH):
        return ""
    try:
        status = status_of(find_entry(encoder))
    except ConstructError as error:
        return str(error)
    absent = status.entry.files and status.state in ("available", "gated")
    return how_to_get(status.entry) if absent else ""


def model_facts(model: PathLike) -> dict[str, Any]:
    """Facts of a model, by its name or path, as plain values.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged.
    """
    path = trained_models().get(str(model), Path(model))
    checkpoint = load_any(path)
    facts = {"model": path.stem, "file": str(path), "sha256": file_hash(path)}
    if isinstance(checkpoint, ChannelCheckpoint):
        return facts | _channel_facts(checkpoint)
    return facts | {
        "classes": list(checkpoint.classes.names),
        "preset": checkpoint.config.preset,
        "encoder": checkpoint.config.encoder,
        "encoder sha256": checkpoint.encoder_hash,
        "encoder weights inside": checkpoint.encoder_state is not None,
        "mpp": checkpoint.mpp,
        "taught by": taught_by(checkpoint.training),
        "out-of-distribution guard": _guard_facts(checkpoint),
        "metrics": dict(checkpoint.metrics),
        "versions": dict(checkpoint.versions),
    }


def _channel_facts(checkpoint: ChannelCheckpoint) -> dict[str, Any]:
    config = checkpoint.config
    return {
        "channels": list(checkpoint.channels),
        "encoder": config.encoder,
        "encoder weights inside": True,
        "encoder started from": checkpoint.encoder_licence,
        "percentiles": [config.low, config.high],
        "mpp": checkpoint.mpp,
        "cell diameter in pixels": checkpoint.object_diameter,
        "metrics": dict(checkpoint.metrics),
        "versions": dict(checkpoint.versions),
    }


def _guard_facts(checkpoint: Checkpoint) -> str:
    """What tells images unlike the training patches, in words."""
    guard = checkpoint.guard
    if guard is None:
        return "none: nothing is said of images unlike the training patches"
    slides = f" of {guard.groups} slides or patients" if guard.groups else ""
    one, *_, many = guard.limits
    return f"of {guard.patches} patches{slides}; limits {one:.2f} (one window) to {many:.2f} (many)"


def remove(name: str, kind: Literal["model", "encoder"] | None = None) -> int:
    """Delete a model that the user imported, or an encoder's weights; returns the freed bytes.

    Parameters
    ----------
    name : str
        Of the model, or id of the encoder.
    kind : {"model", "encoder"}, optional
        Which of the two; by default a model before an encoder of the same name.

    Raises
    ------
    CheckpointError
        If the model is bundled, or the system refuses.
    EncoderError
        If nothing of that name can be deleted.
    """
    path = models_folder() / f"{name}{SUFFIX}"
    if kind == "encoder" or path.parent != models_folder() or not is_file(path):
        if kind != "encoder" and name in bundled_models():
            raise CheckpointError(
                f"{name}: expected a model that you imported, got one that comes with napari-construct; "
                "nothing was removed"
            )
        return remove_weights(find_entry(name))
    size = size_of(path)
    try:
        path.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be removed ({error.strerror or error}); close programs that use it"
        ) from error
    return size
