"""Scores of a student, and of its teacher, on images that nothing was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.loop.items import taught
from napari_construct.crossmodal.protocol import Teacher, TeacherOutput
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.events import Event, Steps, as_part
from napari_construct.inference.cells.decide import cells_of
from napari_construct.inference.cells.maps import cell_map_steps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.metrics.cells import CellCounts, cell_counts
from napari_construct.refinement.instances import instances

VALIDATE = "validate"


def student_scores(
    dataset: CellDataset,
    predictor: CellPredictor,
    config: DistilConfig,
    teacher: Teacher | None = None,
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
    teacher : Teacher, optional
        Stands in where nobody drew cells; such images are left out without one.
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
        if dataset.has_truth[index]:
            item = dataset.load(index)
            truth = item.truth
        elif teacher is not None:
            item, output = taught(dataset, index, teacher, config)
            truth = teacher_cells(output, settings)
        else:
            continue
        if truth is None:
            continue
        image = item.image
        plane = image.pixels[channel_index(image.names, config.channel, name)]
        seen = percentile_normalised(plane, config.low, config.high)[None]
        maps = yield from as_part(cell_map_steps(seen, predictor, settings, mpp=image.mpp, name=name), at)
        found = cell_counts(truth, cells_of(maps, settings))
        total = found if total is None else total + found
    yield Event(VALIDATE, len(dataset), len(dataset))
    return {} if total is None else total.scores()


def teacher_scores(
    dataset: CellDataset, teacher: Teacher, config: DistilConfig, settings: CellSettings | None = None
) -> Steps[dict[str, float]]:
    """Scores of the teacher against drawn cells: what a student could recover at most; empty without any."""
    settings, total = settings or CellSettings(), None
    for index in (i for i, known in enumerate(dataset.has_truth) if known):
        yield Event("score teacher", index, len(dataset), dataset.names[index])
        item, output = taught(dataset, index, teacher, config)
        if item.truth is not None:
            found: CellCounts = cell_counts(item.truth, teacher_cells(output, settings))
            total = found if total is None else total + found
    yield Event("score teacher", len(dataset), len(dataset))
    return {} if total is None else total.scores()


def teacher_cells(output: TeacherOutput, settings: CellSettings) -> NDArray[np.int32]:
    """Numbers (h, w) int32 of the teacher's cells: its own, or split as the student's are."""
    if output.instances is not None:
        return output.instances
    return instances(
        output.foreground,
        output.boundary,
        threshold=settings.threshold,
        seed_threshold=settings.seed_threshold,
        min_area=settings.min_area,
    )
