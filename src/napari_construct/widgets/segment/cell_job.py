"""The jobs behind Segment with a student on one channel: find cells, decide anew with other thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_construct.events import Event, Notice, Steps
from napari_construct.inference.cells.settings import DECIDING, CellSettings
from napari_construct.widgets.jobs.notices import without_size
from napari_construct.widgets.jobs.plans import cells_plan
from napari_construct.widgets.jobs.predictors import GetPredictor
from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers import (
    MASK,
    ClassOutcome,
    KeptCells,
    Origin,
    Plane,
    PlaneOutcome,
    RunOutcome,
    cell_map_layers,
    found_layer,
    keep_cells,
    keep_outcome,
    mark,
)
from napari_construct.widgets.segment.job import (
    Outcome,
    PlaneSegmented,
    SegmentRequest,
    layers_job,
    named_stages,
    segment_job,
    without_notices,
)
from napari_construct.widgets.segment.said import Said, joined, title_of

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.cells.evidence import CellEvidence
    from napari_construct.inference.cells.predictor import CellPredictor
    from napari_construct.results.cells import CellResult


@dataclass(frozen=True, slots=True, eq=False)
class CellRequest:
    """One run.

    Attributes
    ----------
    planes : tuple of Plane
        What is segmented, in this order.
    axis : int or None
        Along which the planes of a stack lie; None where there is one plane.
    model : str
        As records and scripts name it.
    settings : CellSettings
        Channel, thresholds and tiles.
    get_predictor : callable
        Loads the model, on ``device``.
    device : str
        As scripts name it.
    maps : bool
        Whether layers of foreground and boundary are made.
    """

    planes: tuple[Plane, ...]
    axis: int | None
    model: str
    settings: CellSettings
    get_predictor: GetPredictor
    device: str = "auto"
    maps: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FinishedCells:
    """A plane: what its cells are decided from, and what was noticed."""

    evidence: CellEvidence
    notices: tuple[str, ...] = ()


def cells_job(request: CellRequest) -> Steps[Outcome]:
    """The whole job, in the worker's thread: load, read, run the network, decide, make the layers."""
    finished = yield from _evidence(request)
    return (yield from cell_layers_job(request, finished))


def cell_layers_job(request: CellRequest, finished: Sequence[FinishedCells]) -> Steps[Outcome]:
    """Make the layers of a run of which all planes are finished, or the first ones."""
    kept = KeptCells(
        evidence=tuple(one.evidence for one in finished),
        settings=request.settings,
        planes=request.planes,
        axis=request.axis,
        model=request.model,
        said=tuple(one.notices for one in finished),
    )
    return (yield from decided_job(kept, request.settings, maps=request.maps))


def decided_job(kept: KeptCells, settings: CellSettings, *, maps: bool = False) -> Steps[Outcome]:
    """Cells of maps that are there already, and their layers."""
    results: list[CellResult] = []
    for i, evidence in enumerate(kept.evidence):
        yield Event("cells", i, len(kept.evidence))
        results.append(evidence.cells(settings))
    yield Event("making the layers", 0, 1)
    layer = found_layer(results, kept.planes, kept.axis, kept.planes[0].name)
    keep_cells(layer, kept)
    keep_outcome(layer, _outcome(kept, results, settings))
    first = kept.planes[0]
    mark(layer, Origin(MASK, first.layer, (first.index, first.window, kept.axis), kept.model))
    return Outcome(None, layer, tuple(cell_map_layers(layer)) if maps else ())


def jobs_of(request: SegmentRequest | CellRequest) -> tuple[MakeSteps, Callable[[Any], Steps[Outcome]]]:
    """The job of a run, and the one that makes the layers of planes that are finished."""
    if isinstance(request, CellRequest):
        return partial(cells_job, request), partial(cell_layers_job, request)
    return partial(segment_job, request), partial(layers_job, request)


def live_settings(kept: KeptCells, wanted: CellSettings) -> CellSettings:
    """The settings of a run with other thresholds, as far as they need no network."""
    return kept.settings.changed(**{name: getattr(wanted, name) for name in DECIDING})


def _evidence(request: CellRequest) -> Steps[list[FinishedCells]]:
    """Load the model and run it over the planes, one after the other."""
    yield cells_plan(request.planes, request.model)
    yield Event("loading the model", 0, 1)
    predictor: Any = request.get_predictor()
    finished: list[FinishedCells] = []
    for i in range(len(request.planes)):
        notices: list[str] = []
        steps = without_notices(without_size(_plane_steps(request, i, predictor)), notices)
        stage = f"plane {i + 1} of {len(request.planes)}"
        evidence = yield from steps if request.axis is None else named_stages(steps, stage)
        finished.append(FinishedCells(evidence, tuple(notices)))
        if request.axis is not None:
            yield PlaneSegmented(stage, 1, 1, finished=finished[-1])
    return finished


def _plane_steps(request: CellRequest, number: int, predictor: CellPredictor) -> Steps[CellEvidence]:
    from napari_construct.inference.cells.segment import cell_evidence_steps

    plane, settings = request.planes[number], request.settings
    yield Event("reading the image", 0, 1)
    image = plane.channels()
    mpp, stated = plane.size_used(settings.mpp)
    for text in stated:
        yield Notice("reading the image", 1, 1, text)
    name = plane.name if request.axis is None else f"{plane.name}, plane {number + 1}"
    return (yield from cell_evidence_steps(image, predictor, settings, mpp=mpp, name=name))


def _outcome(kept: KeptCells, results: Sequence[CellResult], settings: CellSettings) -> RunOutcome:
    first, count = kept.planes[0], len(kept.planes)
    said = [Said(text, i) for i, texts in enumerate(kept.said) for text in texts]
    return RunOutcome(
        image=first.name + (f" ({first.channel})" if first.channel else ""),
        model=title_of(kept.model),
        planes=tuple(_plane(kept, result, i) for i, result in enumerate(results)),
        wanted=count,
        notices=joined(said, first.name, count),
        asked=(kept.model, settings),
        part=first.window is not None,
        cells=tuple(int(result.record["cells"]) for result in results),
    )


def _plane(kept: KeptCells, result: CellResult, number: int) -> PlaneOutcome:
    first = kept.planes[0]
    axes = range(first.dropped, len(first.index))
    at = tuple(number if axis == kept.axis else 0 for axis in axes)
    found = ClassOutcome(
        "cell", int((result.labels > 0).sum()), bool(result.presence[0]), float(result.presence_scores[0])
    )
    return PlaneOutcome((found,), int(result.labels.size), result.mpp, at)
