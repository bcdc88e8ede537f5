"""Scores of a student, and of its teacher, on images that nothing was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.protocol import TeacherOutput
from napari_construct.crossmodal.teachers.cached import Taught
from napari_construct.crossmodal.views.prepared import network_view
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.events import Event, Steps, as_part
from napari_construct.inference.cells.decide import cells_of, split_cells
from napari_construct.inference.cells.maps import cell_map_steps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.metrics.cells import CellCounts, cell_counts

VALIDATE = "validate"


def student_scores(
    dataset: CellDataset,
    predictor: CellPredictor,
    config: DistilConfig,
    taught: Taught | None = None,
    settings: CellSettings | None = None,
) -> Steps[dict[str, float]]:
    """Scores of the student against drawn cells; of images without, against the teacher's.

    Parameters
    ----------
    dataset : CellDataset
        Images.
    predictor : CellPredictor
        The student.
    config : DistilConfig
        Channel and percentiles.
    taught : Taught, optional
        What a teacher says of them; stands in where nobody drew cells; such images are left out without one.
    settings : CellSettings, optional
        How cells are decided.

    Yields
    ------
    Event
        Stage "validate".

    Returns
    -------
    dict of str to float
        As of :meth:`~napari_construct.metrics.cells.CellCounts.scores`; empty where nothing can be scored.
    """
    settings, total = settings or CellSettings(), None
    for index, name in enumerate(dataset.names):
        at = Event(VALIDATE, index, len(dataset), name)
        yield at
        if not dataset.has_truth[index] and taught is None:
            continue
        item = dataset.load(index)
        truth = item.truth
        if truth is None and taught is not None:
            truth = teacher_cells(taught[index], settings)
        if truth is None:
            continue
        image = item.image
        seen = network_view(image, config, name)
        maps = yield from as_part(cell_map_steps(seen, predictor, settings, mpp=image.mpp, name=name), at)
        found = cell_counts(truth, cells_of(maps, settings))
        total = found if total is None else total + found
    yield Event(VALIDATE, len(dataset), len(dataset))
    return {} if total is None else total.scores()


def teacher_scores(
    dataset: CellDataset, taught: Taught, settings: CellSettings | None = None
) -> Steps[dict[str, float]]:
    """Scores of the teacher against drawn cells: what a student could recover at most; empty without any."""
    settings, total = settings or CellSettings(), None
    for index in (i for i, known in enumerate(dataset.has_truth) if known):
        yield Event("score teacher", index, len(dataset), dataset.names[index])
        truth = dataset.load(index).truth
        if truth is not None:
            found: CellCounts = cell_counts(truth, teacher_cells(taught[index], settings))
            total = found if total is None else total + found
    yield Event("score teacher", len(dataset), len(dataset))
    return {} if total is None else total.scores()


def teacher_cells(output: TeacherOutput, settings: CellSettings) -> NDArray[np.int32]:
    """Numbers (h, w) int32 of the teacher's cells: its own, or split as the student's are."""
    if output.instances is not None:
        return output.instances
    return split_cells(output.foreground, output.boundary, settings)
