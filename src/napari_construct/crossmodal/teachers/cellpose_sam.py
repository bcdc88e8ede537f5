"""Cellpose-SAM as a teacher, through the cellpose library."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.crossmodal.teachers.from_instances import output_of
from napari_construct.crossmodal.teachers.views import picture_of
from napari_construct.crossmodal.teachers.weights import (
    check_library,
    find_weights,
    identity_of,
    refused,
)
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.inference.activation.devices import enough_memory, resolve_device
from napari_construct.settings import Settings


class CellposeSettings(Settings):
    """Settings of ``cellpose.models.CellposeModel.eval``, with the library's defaults.

    Parameters
    ----------
    diameter : float or None
        Of a cell, in pixels; the image is brought to 30. None leaves it.
    flow_threshold, cellprob_threshold : float
        Which cells are kept, and which pixels belong to one.
    min_size : int
        Pixels of a cell.
    batch_size : int
        Tiles of 256 x 256 pixels at once.
    """

    diameter: Annotated[float, Field(gt=0, le=10_000)] | None = None
    flow_threshold: Annotated[float, Field(ge=0, le=100)] = 0.4
    cellprob_threshold: Annotated[float, Field(ge=-20, le=20)] = 0.0
    min_size: Annotated[int, Field(ge=0)] = 15
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 8


def load_cellpose_sam(
    entry: TeacherEntry, weights: Path | None, device: str, settings: CellposeSettings
) -> CellposeTeacher:
    """Load Cellpose-SAM; nothing is downloaded.

    Parameters
    ----------
    entry : TeacherEntry
        Of the catalogue.
    weights : Path or None
        Its file (``cpsam_v2``, ``cpsam``, or one trained further); by default also where cellpose keeps it.
    device : str
        "auto", or a device of torch.
    settings : CellposeSettings
        How it is run.

    Raises
    ------
    ConfigurationError
        If the library is not installed, or the device is not there.
    CheckpointError
        If the weights are absent, damaged or of another network.
    """
    chosen = resolve_device(device)
    check_library(entry)
    from cellpose import models

    path = find_weights(entry, weights, (Path(models.MODEL_DIR),))
    try:
        state = read_state(path)
        with seeded(0):  # random weights are drawn and replaced
            model = models.CellposeModel(
                pretrained_model=str(path), device=chosen, use_bfloat16=chosen.type == "cuda"
            )
        check_names(path, state, model.net.state_dict(), entry.title)  # the library lets names be missing
    except EncoderError as error:
        raise CheckpointError(str(error)) from error
    except (ValueError, RuntimeError, OSError) as error:
        raise refused(entry, path, error) from error
    model.net.requires_grad_(False)
    return CellposeTeacher(entry.spec, model, identity_of(entry, path, settings, "cellpose"), settings)


class CellposeTeacher:
    """Runs a Cellpose model.

    Parameters
    ----------
    spec : TeacherSpec
        Of the catalogue.
    model : cellpose.models.CellposeModel
        The model.
    identity : str
        SHA-256 over weights and settings.
    settings : CellposeSettings
        How it is run.
    """

    def __init__(self, spec: TeacherSpec, model: Any, identity: str, settings: CellposeSettings) -> None:
        self.spec, self.identity, self.settings = spec, identity, settings
        self._model = model

    def predict(self, view: TeacherView) -> TeacherOutput:
        """Foreground: the sigmoid of the cell probability's logit; cells: the masks; boundary: theirs.

        Raises
        ------
        InputError
            If the image has neither a nuclear nor a membrane channel.
        ConstructError
            If the device runs out of memory.
        """
        picture = picture_of(view, ("membrane", "nuclear", None), self.spec.title)
        device = torch.device(self._model.device)
        remedy = "a smaller batch_size, smaller images, or the cpu"
        with enough_memory(device, "in Cellpose", remedy), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says of the library's sparse tensors
            masks, flows, _ = self._model.eval(picture, channel_axis=-1, **self.settings.model_dump())
        shape = picture.shape[:2]
        logits = np.asarray(flows[2], np.float32).reshape(shape)
        return output_of(np.asarray(masks).reshape(shape), expit(logits).astype(np.float32))
