"""Segment folders of images in one call."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike as OsPathLike
from pathlib import Path
from typing import Any

from napari_construct.batch.report import BatchReport
from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import announced, look_for_sources
from napari_construct.events import Progress, run
from napari_construct.exceptions import CheckpointError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.cells.loading import is_cell_model, load_cell_model
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.workers import Workers
from napari_construct.reading.names import shown
from napari_construct.types import PathLike


def segment_folder(
    inputs: PathLike | Iterable[PathLike],
    output: PathLike,
    settings: BatchSettings | None = None,
    *,
    model: PathLike | Predictor | CellPredictor | None = None,
    recursive: bool = True,
    restart: bool = False,
    overwrite: bool = False,
    workers: Workers | None = None,
    device: str | None = None,
    progress: Progress = None,
    **changes: Any,
) -> BatchReport:
    """Segment many images into a folder; a second call resumes an interrupted run.

    Parameters
    ----------
    inputs : path or iterable of paths
        Folders, image files, OME-Zarr images and TIFF stacks; each plane of a stack is one image. Results of
        napari-construct in a folder are no inputs.
    output : path
        Folder for the results, a ledger, ``batch.csv`` and, of a student, ``batch_cells.csv``; made if it is
        missing.
    settings : BatchSettings, optional
        Model, segmentation and outputs; defaults otherwise.
    model : str, path, Predictor or CellPredictor, optional
        Replaces the model of the settings; a student on one channel reads images as channels, and writes
        numbered cells and their tables. A loaded model keeps its device.
    recursive : bool
        Also read sub-folders; results keep their structure.
    restart : bool
        Segment all images again instead of resuming.
    overwrite : bool
        Also replace files that napari-construct did not make. Folders that it did not make are never deleted.
    workers : Workers, optional
        A :class:`~napari_construct.Cluster` that does the images, several at once.
    device : str, optional
        Device of the model; replaces that of the settings. A loaded model keeps its device.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`~napari_construct.inference.settings.SegmentSettings`, for example
        ``views="four"``; with a student of :class:`~napari_construct.inference.cells.settings.CellSettings`,
        for example ``channel="DAPI"``.

    Returns
    -------
    BatchReport
        ``report.done``, ``report.failed``, ``report.to_dict()``. A failed image raises no error.

    Raises
    ------
    ConfigurationError
        If there is no image, the folder holds a run with other settings or another run is writing there, the
        settings contradict the model, or a file that napari-construct did not make would be replaced.
    CheckpointError, EncoderError
        If the model cannot be loaded.
    """
    wanted = settings or BatchSettings()
    loaded = model if model is not None else wanted.model
    student = isinstance(loaded, CellPredictor) or _is_student(loaded)
    wanted = wanted.for_student() if student else wanted
    part = "cells" if student else "segment"
    checked = getattr(wanted, part).changed(**changes)  # before a model is loaded
    paths = [inputs] if isinstance(inputs, str | OsPathLike) else list(inputs)
    found = look_for_sources(
        [Path(path) for path in paths], recursive=recursive, output=Path(output), channels=student
    )
    is_loaded = isinstance(loaded, Predictor | CellPredictor)
    place = device if device is not None or is_loaded else wanted.device
    predictor = _predictor_of(loaded, place)
    name = predictor.name if is_loaded else shown(str(loaded))
    wanted = wanted.changed(**{part: checked}, model=name, device=str(predictor.device))
    steps = run_batch_steps(
        found.sources, predictor, wanted, Path(output), restart=restart, overwrite=overwrite, workers=workers
    )
    return run(announced(found.notices, steps), progress)


def _is_student(model: object) -> bool:
    """Whether a model that is not loaded yet is one; a missing one is named when it is loaded."""
    try:
        return is_cell_model(model)
    except CheckpointError:
        return False


def _predictor_of(
    model: PathLike | Predictor | CellPredictor, device: str | None
) -> Predictor | CellPredictor:
    """A model that is loaded, or to be loaded."""
    if isinstance(model, CellPredictor):
        model.check_device(device)
        return model
    if is_cell_model(model):
        return load_cell_model(model, device=device or "auto")
    return predictor_of(model, device)
