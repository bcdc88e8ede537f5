"""Load a model by name, file or class descriptions."""

from __future__ import annotations

from pathlib import Path

from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.loaded_with import LoadedWith
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.models.checkpoints.encoder_of_checkpoint import encoder_of_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.types import PathLike


def predictor_of(model: PathLike | ZeroShotSettings | Predictor, device: str | None = None) -> Predictor:
    """Load a model; a loaded one is returned unchanged.

    Parameters
    ----------
    model : str, path, ZeroShotSettings or Predictor
        What :func:`load_model` takes or returned.
    device : str, optional
        Device of the model; "auto" by default.

    Raises
    ------
    ConfigurationError
        If the model is loaded already, on another device.
    """
    if not isinstance(model, Predictor):
        return load_model(model, device=device or "auto")
    model.check_device(device)
    return model


def load_model(
    model: PathLike | ZeroShotSettings,
    *,
    device: str = "auto",
    encoder_weights: PathLike | None = None,
    any_encoder: bool = False,
) -> Predictor:
    """Load a model.

    Parameters
    ----------
    model : str, path or ZeroShotSettings
        Name of a bundled model (``"lymph-node"``), path of a ``.construct`` file, or the settings of a
        zero-shot model.
    device : str
        "auto" takes cuda, then mps, then cpu.
    encoder_weights : str or path, optional
        File of the encoder's weights, for an encoder whose weights you must get yourself (CONCH).
    any_encoder : bool
        Also accept an encoder with another hash; results then differ from those of the trained model.

    Returns
    -------
    Predictor
        For :func:`~napari_construct.inference.segment.segment`; load once, use for many images.

    Raises
    ------
    CheckpointError
        If there is no such model, or the file is damaged or of a newer version.
    EncoderError
        If its encoder cannot be loaded.
    ConfigurationError
        If the device is not available.
    """
    resolve_device(device)  # a wrong device should not wait for a large file
    if isinstance(model, ZeroShotSettings):
        from napari_construct.inference.zero_shot.predictor import predictor_from_settings

        return predictor_from_settings(model, device=device, encoder_weights=encoder_weights)
    path = resolve_model(model)
    checkpoint = load_checkpoint(path)
    encoder = None
    if encoder_weights is not None:
        encoder = encoder_of_checkpoint(checkpoint, encoder_weights, any_encoder=any_encoder)
    predictor = Predictor(
        checkpoint,
        device,
        encoder=encoder,
        name=path.stem,
        sha256=file_hash(path),
        any_encoder=any_encoder,
    )
    weights = None if encoder_weights is None else Path(encoder_weights).absolute()
    predictor.loaded_with = LoadedWith(path.absolute(), weights, any_encoder, device)
    return predictor
