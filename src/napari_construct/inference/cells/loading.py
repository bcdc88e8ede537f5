"""Load a student by name or file."""

from __future__ import annotations

import os
from typing import TypeGuard

from napari_construct.exceptions import CheckpointError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.loaded_with import LoadedWith
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.channel_checkpoint import is_channel_file, load_channel_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.types import PathLike


def load_cell_model(model: PathLike, *, device: str = "auto") -> CellPredictor:
    """Load a model for channels, such as a distilled student.

    Parameters
    ----------
    model : str or path
        Name of an imported model, or path of a ``.construct`` file.
    device : str
        "auto" takes cuda, then mps, then cpu.

    Returns
    -------
    CellPredictor
        For :func:`~napari_construct.segment_cells`; load once, use for many images.

    Raises
    ------
    CheckpointError
        If there is no such model, the file is damaged or of a newer version, or it is a model for stained
        tissue.
    ConfigurationError
        If the device is not available.
    """
    resolve_device(device)  # a wrong device should not wait for a large file
    path = resolve_model(model)
    predictor = CellPredictor(load_channel_checkpoint(path), device, name=path.stem, sha256=file_hash(path))
    predictor.loaded_with = LoadedWith(path.absolute(), device=device)
    return predictor


def is_cell_model(model: object) -> TypeGuard[PathLike]:
    """Whether a name or path is that of a model for channels; False of what cannot be read."""
    if not isinstance(model, str | os.PathLike):
        return False
    try:
        return is_channel_file(resolve_model(model))
    except CheckpointError:  # whoever loads it says so
        return False
