"""The jobs behind Segment tissue, without a widget: load a model; read, segment and make layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Layer

from napari_construct.events import Event, Notice, Steps
from napari_construct.inference.result import SegmentationResult
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets._layers import Decided, Plane, keep_evidence, result_layers

DecidedSteps = Callable[..., Steps[tuple[SegmentationResult, Any]]]
"""As ``inference.predictor.decided_steps``: the result, and what Refine can go on with (or None)."""

Outcome = tuple[SegmentationResult, list[Layer]]


def load_steps(model: str, device: str, get_predictor: Callable[[str, str], Any]) -> Steps[Any]:
    """Load a model as a job of one step; returns the predictor."""
    yield Event("loading the model", 0, 1)
    return get_predictor(model, device)


def segment_plane(
    plane: Plane,
    model: str,
    settings: SegmentSettings,
    get_predictor: Callable[[str, str], Any],
    decided_steps: DecidedSteps,
) -> Steps[Outcome]:
    """The whole job, in the worker's thread: load, read, segment, make the layers."""
    yield Event("loading the model", 0, 1)
    predictor = get_predictor(model, settings.device)
    yield Event("reading the image", 0, 1)
    pixels, notices = plane.rgb()
    for text in notices:
        yield Notice("reading the image", 1, 1, text)
    mpp = plane.mpp if settings.mpp is None else settings.mpp
    result, decider = yield from decided_steps(pixels, predictor, settings, mpp=mpp, name=plane.name)
    yield Event("making the layers", 0, 1)
    layers = result_layers(result, plane)
    if decider is not None:
        keep_evidence(
            layers[-1],
            Decided(decider.activation, decider.predictor.without_network(), settings, plane, model),
        )
    return result, layers


def about(predictor: Any) -> str:
    """A line about a model: its classes and the resolution it was trained at."""
    text = f"Knows {', '.join(predictor.classes.names)}"
    mpp = getattr(predictor, "mpp", None)
    return text if mpp is None else f"{text}; trained at {mpp:.4g} µm per pixel"


def summary(result: SegmentationResult) -> str:
    """How a run ended, in a line."""
    found = [
        f"{area['class']} {area['percent']:.0f} %"
        for area, present in zip(result.areas(), result.presence, strict=True)
        if present
    ]
    return f"Done: {', '.join(found)} of the tissue." if found else "Done: none of the classes was found."
