"""CellSAM as a teacher, where its user has installed the library and has the weights."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers.availability import library_folders
from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.crossmodal.teachers.from_instances import output_of
from napari_construct.crossmodal.teachers.views import RED_GREEN_BLUE, picture_of
from napari_construct.crossmodal.teachers.weights import (
    check_library,
    find_weights,
    identity_of,
    refused,
)
from napari_construct.encoders.weight_files import read_state
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.inference.activation.devices import enough_memory, resolve_device
from napari_construct.settings import Settings


class CellSamSettings(Settings):
    """Settings of ``cellSAM.segment_cellular_image``.

    Parameters
    ----------
    bbox_threshold : float
        How sure the network must be of the box of a cell.
    normalize : bool
        Whether the library stretches the contrast once more (percentiles and CLAHE).
    """

    bbox_threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    normalize: bool = False


def load_cellsam(
    entry: TeacherEntry, weights: Path | None, device: str, settings: CellSamSettings
) -> CellSamTeacher:
    """Load CellSAM; nothing is downloaded.

    Parameters
    ----------
    entry : TeacherEntry
        Of the catalogue.
    weights : Path or None
        Its file; by default also where the library keeps it.
    device : str
        "auto", or a device of torch.
    settings : CellSamSettings
        How it is run.

    Raises
    ------
    ConfigurationError
        If the library is not installed, or the device is not there.
    CheckpointError
        If the weights are absent, damaged or of another network.
    """
    chosen = resolve_device(device)
    if chosen.type == "mps":
        chosen = torch.device("cpu")  # the library knows cuda and cpu
    check_library(entry)
    path = find_weights(entry, weights, library_folders(entry))
    try:
        names = read_state(path).keys()
        library: Any = importlib.import_module(f"{entry.package}.model")
        model = library.get_local_model(str(path))
    except EncoderError as error:
        raise CheckpointError(str(error)) from error
    except (ValueError, RuntimeError, OSError) as error:
        raise refused(entry, path, error) from error
    missing = sorted(model.state_dict().keys() - names)  # the library lets names be missing
    if missing:
        raise CheckpointError(
            f"{path}: expected the weights of {entry.title}, got a file without {missing[0]}; get "
            f"{entry.files[0]} at {entry.source}"
        )
    model = model.requires_grad_(False).eval().to(chosen)
    identity = identity_of(entry, path, settings, "cellSAM")
    return CellSamTeacher(entry.spec, library.segment_cellular_image, model, identity, settings, chosen)


class CellSamTeacher:
    """Runs CellSAM.

    Parameters
    ----------
    spec : TeacherSpec
        Of the catalogue.
    segment : callable
        ``cellSAM.segment_cellular_image``.
    model : torch.nn.Module
        The network.
    identity : str
        SHA-256 over weights and settings.
    settings : CellSamSettings
        How it is run.
    device : torch.device
        Where it runs.
    """

    def __init__(
        self,
        spec: TeacherSpec,
        segment: Callable[..., Any],
        model: Any,
        identity: str,
        settings: CellSamSettings,
        device: torch.device,
    ) -> None:
        self.spec, self.identity, self.settings = spec, identity, settings
        self._segment, self._model, self._device = segment, model, device

    def predict(self, view: TeacherView) -> TeacherOutput:
        """Cells, and foreground and boundary of these: CellSAM gives no probabilities.

        Raises
        ------
        InputError
            If the image has neither a nuclear nor a membrane channel.
        ConstructError
            If the device runs out of memory.
        """
        picture = picture_of(view, RED_GREEN_BLUE, self.spec.title)
        with (
            enough_memory(self._device, "in CellSAM", "smaller images, or the cpu"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # "No cells detected": the output says so
            found = self._segment(
                picture, model=self._model, device=str(self._device), **self.settings.model_dump()
            )
        return output_of(np.asarray(found[0]).reshape(picture.shape[:2]))
