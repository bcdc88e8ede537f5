"""The jobs behind Segment tissue, without a widget: load a model; read, segment and make layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, Result, Steps, forward
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.jobs.plans import segment_plan
from napari_construct.widgets.jobs.predictors import DecidedSteps, GetPredictor, ModelChoice
from napari_construct.widgets.layers import (
    Decided,
    Plane,
    keep_evidence,
    keep_source,
    label_features,
    result_layers,
    stack_layers,
)

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor

Outcome = tuple[SegmentationResult, list[Layer]]

Finished = tuple[SegmentationResult, Decided | None]
"""A plane's result, and what Refine can go on with."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentRequest:
    """One run.

    Attributes
    ----------
    planes : tuple of Plane
        What is segmented, in this order.
    axis : int or None
        Along which the planes of a stack lie; None where there is one plane.
    model : str or ZeroShotSettings
        As records and scripts name it.
    settings : SegmentSettings
        Everything else.
    get_predictor : callable
        Loads the model, on ``device``.
    decided_steps : callable
        Segments a plane.
    table : ClassTable or None
        Colours in which classes are shown.
    device : str
        As scripts name it.
    """

    planes: tuple[Plane, ...]
    axis: int | None
    model: ModelChoice
    settings: SegmentSettings
    get_predictor: GetPredictor
    decided_steps: DecidedSteps
    table: ClassTable | None = None
    device: str = "auto"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlaneSegmented(Event):
    """A plane of a stack is segmented."""

    finished: Finished


def segment_job(request: SegmentRequest) -> Steps[Outcome]:
    """The whole job, in the worker's thread: load, read, segment, make the layers.

    Of a stack the layers are stacks again; the result that is returned is that of the last plane.
    """
    # layers keep the frames that they are made in: the network is in none of these any more
    finished = yield from _segmented(request)
    return (yield from layers_job(request, finished))


def layers_job(request: SegmentRequest, finished: Sequence[Finished]) -> Steps[Outcome]:
    """Make the layers of a run of which all planes are finished, or the first ones."""
    yield Event("making the layers", 0, 1)
    results = [result for result, _ in finished]
    if request.axis is None:
        layers = result_layers(results[0], request.planes[0], request.table)
    else:
        layers = stack_layers(results, request.planes, request.axis, request.table)
    if kept := [decided for _, decided in finished if decided is not None]:
        keep_evidence(layers[-1], kept)
    keep_source(layers, request.planes[0])
    return results[-1], layers


def _segmented(request: SegmentRequest) -> Steps[list[Finished]]:
    """Load the model and segment the planes, one after the other."""
    yield segment_plan(request.planes, request.settings, request.model)
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    finished: list[Finished] = []
    for i in range(len(request.planes)):
        steps = _plane_steps(request, i, predictor)
        if request.axis is None:
            finished.append((yield from steps))
        else:
            stage = f"plane {i + 1} of {len(request.planes)}"
            finished.append((yield from named_stages(steps, stage)))
            yield PlaneSegmented(stage, 1, 1, finished=finished[-1])
    return finished


def _plane_steps(request: SegmentRequest, number: int, predictor: Predictor) -> Steps[Finished]:
    plane, settings, axis = request.planes[number], request.settings, request.axis
    yield Event("reading the image", 0, 1)
    shown = plane.rgb()
    mpp, stated = plane.size_used(settings.mpp)
    for text in (*shown.notices, *stated):
        yield Notice("reading the image", 1, 1, text)
    name = plane.name if axis is None else f"{plane.name}, plane {number + 1}"
    result, decider = yield from request.decided_steps(
        shown.rgb, predictor, settings, mpp=mpp, name=name, valid=shown.valid
    )
    if decider is None:
        return result, None
    return result, Decided(
        decider.activation,
        decider.predictor.without_network(),
        decider.predictor.resolved(settings),
        plane,
        request.model,
        result.labels.copy(),  # the layer paints in the result's own
        tuple(number if a == axis else 0 for a in range(len(plane.index))),
        label_features(result),
        result.record,
    )


def named_stages(steps: Steps[Result], name: str) -> Steps[Result]:
    """The same steps, whose stages say which part of a larger job they belong to."""
    return forward(steps, lambda event: (replace(event, stage=f"{name}, {event.stage}"),))


def about(predictor: Predictor) -> str:
    """A line about a model: its classes, the resolution it was trained at, the licence of its encoder."""
    untrained = hasattr(predictor, "words")
    knows = "the words of the class table" if untrained else ", ".join(predictor.classes.names)
    parts = [f"Knows {knows}"]
    mpp, spec = getattr(predictor, "mpp", None), getattr(predictor, "spec", None)
    if mpp is not None:
        parts.append(f"{'sees' if untrained else 'trained at'} {mpp:.4g} µm per pixel")
    elif untrained:
        parts.append("its authors name no resolution")
    if spec is not None:
        parts.append(f"encoder {spec.id}, licence {spec.licence}")
    return "; ".join(parts)


def summary(result: SegmentationResult) -> str:
    """How a run ended, in a line."""
    found = [
        f"{area['class']} {area['percent_of_tissue']:.0f} %"
        for area, present in zip(result.areas(), result.presence, strict=True)
        if present
    ]
    return f"Done: {', '.join(found)} of the tissue." if found else "Done: none of the classes was found."
