"""The jobs behind Evaluate with a student on one channel: score it, open one of its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image, Labels, Layer

from napari_construct.data.cells.open_cells import open_cells
from napari_construct.events import Event, Steps
from napari_construct.exceptions import InputError
from napari_construct.widgets.evaluate.cells.scores import CellScored
from napari_construct.widgets.evaluate.job import OpenedImage
from napari_construct.widgets.evaluate.settings import CellEvaluation, EvaluateSettings
from napari_construct.widgets.files.stored import placement
from napari_construct.widgets.jobs.imports import importing
from napari_construct.widgets.jobs.plans import scored_cells_plan
from napari_construct.widgets.layers.cells import cell_features, cells_layer


@dataclass(frozen=True, slots=True)
class CellsRequest:
    """Run a student over images with drawn cells: a folder of them, or a TissueNet file."""

    data: Path
    settings: EvaluateSettings

    @property
    def student(self) -> CellEvaluation:
        """What is asked of students."""
        return self.settings.student


@dataclass(frozen=True, slots=True)
class CellImageRequest:
    """Open one of these images, by its name."""

    of: CellsRequest
    name: str


def load_libraries() -> None:
    """Import what :func:`cells_job` needs."""
    with importing():
        from napari_construct.evaluation.cells import evaluate  # noqa: F401 - this is the purpose


def cells_job(request: CellsRequest) -> Steps[CellScored]:
    """As ``napari-construct evaluate`` with students; intervals are computed here, not in the GUI thread.

    Raises
    ------
    ConstructError
        If images, models or teacher cannot be used.
    """
    settings, asked = request.settings, request.student
    yield Event("loading the model", 0, 1)
    load_libraries()
    from napari_construct.crossmodal.teachers.cached import open_cache
    from napari_construct.crossmodal.teachers.catalogue import load_teacher
    from napari_construct.evaluation.cells.evaluate import evaluate_cells_steps
    from napari_construct.evaluation.cells.models import CellModels

    baselines = [asked.baseline] if asked.baseline else []
    models = CellModels([settings.model], baselines, device=settings.device)
    teacher = load_teacher(asked.teacher, device=settings.device) if asked.teacher else None
    yield Event("loading the model", 1, 1)
    dataset = open_cells(request.data, mpp=asked.cells.mpp, labels=asked.labels)
    yield scored_cells_plan(settings.model, len(dataset) * (len(models) + (teacher is not None)))
    report = yield from evaluate_cells_steps(
        models,
        dataset,
        teacher=teacher,
        settings=asked.cells.changed(mpp=None),
        cache=None if teacher is None else open_cache(),
    )
    yield Event("summing up", 0, 1)
    return CellScored(report, report.to_dict(), request.data)


def cell_image_job(request: CellImageRequest) -> Steps[OpenedImage]:
    """An image as layers: the channel, drawn cells where there are any, the student's cells.

    Raises
    ------
    ConstructError
        If the image is not there any more, or cannot be used.
    """
    settings, asked, name = request.of.settings, request.of.student, request.name
    yield Event("loading the model", 0, 1)
    load_libraries()
    from napari_construct.inference.cells.loading import load_cell_model
    from napari_construct.inference.cells.segment import segment_cells_steps, student_channel

    predictor = load_cell_model(settings.model, device=settings.device)
    yield Event("reading the image", 0, 1)
    dataset = open_cells(request.of.data, mpp=asked.cells.mpp, labels=asked.labels)
    if name not in dataset.names:
        raise InputError(f"{name}: expected an image of {request.of.data}, found none; evaluate again")
    item, cells = dataset.load(dataset.names.index(name)), asked.cells.changed(mpp=None)
    result = yield from segment_cells_steps(item.image, predictor, cells, name=name)
    yield Event("making the layers", 0, 1)
    place = placement(item.image.mpp)
    plane = item.image.pixels[student_channel(item.image, cells.channel, name)]
    layers: list[Layer] = [Image(plane, name=name, **place)]
    if item.truth is not None:
        layers.append(Labels(item.truth, name=f"{name} (truth)", visible=False, **place))
    if result.instances is not None:
        features = cell_features(result)
        layers.append(cells_layer(result.instances, name, features=features, record=result.record, **place))
    return OpenedImage(tuple(layers))
