"""The jobs behind Segment tissue, without a widget: load a model; read, segment and make layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari.layers import Layer

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, Steps, forward
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.jobs.predictors import ModelChoice
from napari_construct.widgets.layers import (
    Decided,
    Plane,
    keep_evidence,
    label_features,
    result_layers,
    stack_layers,
)

DecidedSteps = Callable[..., Steps[tuple[SegmentationResult, Any]]]
"""As ``inference.predictor.decided_steps``: the result, and what Refine can go on with (or None)."""

GetPredictor = Callable[[ModelChoice], Any]
"""A predictor from a model; slow."""

Outcome = tuple[SegmentationResult, list[Layer]]

Finished = tuple[SegmentationResult, Decided | None]
"""A plane's result, and what Refine can go on with."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSegmented(Event):
    """A plane of a stack is segmented."""

    finished: Finished | None = None


def segment_plane(
    plane: Plane,
    model: ModelChoice,
    settings: SegmentSettings,
    get_predictor: GetPredictor,
    decided_steps: DecidedSteps,
    table: ClassTable | None = None,
) -> Steps[Outcome]:
    """The whole job, in the worker's thread: load, read, segment, make the layers."""
    yield Event("loading the model", 0, 1)
    predictor = get_predictor(model)
    yield Event("reading the image", 0, 1)
    pixels, notices = plane.rgb()
    for text in notices:
        yield Notice("reading the image", 1, 1, text)
    mpp = plane.mpp if settings.mpp is None else settings.mpp
    result, decider = yield from decided_steps(pixels, predictor, settings, mpp=mpp, name=plane.name)
    yield Event("making the layers", 0, 1)
    at = (0,) * len(plane.index)
    decided = None if decider is None else _decided(decider, result, settings, plane, model, at)
    del predictor, decider  # layers keep the frame they were made in, and with it the network
    layers = result_layers(result, plane, table)
    if decided is not None:
        keep_evidence(layers[-1], decided)
    return result, layers


def segment_planes(
    planes: Sequence[Plane],
    axis: int,
    model: ModelChoice,
    settings: SegmentSettings,
    get_predictor: GetPredictor,
    decided_steps: DecidedSteps,
    table: ClassTable | None = None,
) -> Steps[Outcome]:
    """The planes of a stack along an axis, one after the other; the layers are stacks again.

    The result that is returned is that of the last plane, the layers hold all.
    """
    yield Event("loading the model", 0, 1)
    predictor = get_predictor(model)
    finished: list[Finished] = []
    for i, plane in enumerate(planes, start=1):
        pixels, notices = plane.rgb()
        for text in notices:
            yield Notice("reading the image", 1, 1, text)
        mpp = plane.mpp if settings.mpp is None else settings.mpp
        steps = decided_steps(pixels, predictor, settings, mpp=mpp, name=f"{plane.name}, plane {i}")
        stage = f"plane {i} of {len(planes)}"
        result, decider = yield from named_stages(steps, stage)
        at = tuple(i - 1 if a == axis else 0 for a in range(len(plane.index)))
        decided = None if decider is None else _decided(decider, result, settings, plane, model, at)
        finished.append((result, decided))
        yield PlaneSegmented(stage, 1, 1, finished=finished[-1])
    del predictor, decider, steps  # layers keep the frame they were made in, and with it the network
    return (yield from planes_joined(finished, planes, axis, table))


def planes_joined(
    finished: Sequence[Finished], planes: Sequence[Plane], axis: int, table: ClassTable | None = None
) -> Steps[Outcome]:
    """Make the layers of a stack of which all planes are finished, or the first ones."""
    yield Event("making the layers", 0, 1)
    results = [result for result, _ in finished]
    layers = stack_layers(results, planes, axis, table)
    if kept := [decided for _, decided in finished if decided is not None]:
        keep_evidence(layers[-1], kept)
    return results[-1], layers


def _decided(
    decider: Any,
    result: SegmentationResult,
    settings: SegmentSettings,
    plane: Plane,
    model: ModelChoice,
    at: tuple[int, ...],
) -> Decided:
    return Decided(
        decider.activation,
        decider.predictor.without_network(),
        decider.predictor.resolved(settings),
        plane,
        model,
        result.labels.copy(),  # the layer paints in the result's own
        at,
        label_features(result),
        result.record,
    )


def named_stages(steps: Steps[Any], name: str) -> Steps[Any]:
    """The same steps, whose stages say which part of a larger job they belong to."""
    return forward(steps, lambda event: (replace(event, stage=f"{name}, {event.stage}"),))


def about(predictor: Any) -> str:
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
