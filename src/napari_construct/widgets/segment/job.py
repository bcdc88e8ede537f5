"""The jobs behind Segment, without a widget: load a model; read, segment and make layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, Result, Steps, forward, without
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.jobs.notices import without_size
from napari_construct.widgets.jobs.plans import segment_plan
from napari_construct.widgets.jobs.predictors import DecidedSteps, GetPredictor, ModelChoice, is_student
from napari_construct.widgets.layers import (
    MASK,
    Decided,
    Origin,
    Plane,
    PlaneOutcome,
    RunOutcome,
    class_map_layers,
    distance_map_layers,
    keep_evidence,
    keep_outcome,
    label_features,
    mark,
    plane_outcome,
    result_layer,
    stack_layer,
)
from napari_construct.widgets.layers.features import Features
from napari_construct.widgets.segment.said import Said, joined, title_of

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The classes of the model, the mask with all that is known of it, and its maps if wanted.

    Of a student on one channel there are no classes, and the mask has numbers of cells.
    """

    classes: ClassTable | None
    mask: Labels
    maps: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A plane: its result, what was found and said, its table, and what Refine can go on with."""

    result: SegmentationResult
    outcome: PlaneOutcome
    features: Features
    notices: tuple[str, ...] = ()
    decided: Decided | None = None
    placed: Plane | None = None
    """The plane with the place of the result, where the result has other pixels."""


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
    class_maps : bool
        Whether layers of the class maps are made.
    distance_map : bool
        Whether a layer of the distances from the training images is made.
    """

    planes: tuple[Plane, ...]
    axis: int | None
    model: ModelChoice
    settings: SegmentSettings
    get_predictor: GetPredictor
    decided_steps: DecidedSteps
    table: ClassTable | None = None
    device: str = "auto"
    class_maps: bool = False
    distance_map: bool = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlaneSegmented(Event):
    """A plane of a stack is segmented."""

    finished: Any


def segment_job(request: SegmentRequest) -> Steps[Outcome]:
    """The whole job, in the worker's thread: load, read, segment, make the layers.

    Of a stack the mask is a stack again.
    """
    # layers keep the frames that they are made in: the network is in none of these any more
    finished = yield from _segmented(request)
    return (yield from layers_job(request, finished))


def layers_job(request: SegmentRequest, finished: Sequence[Finished]) -> Steps[Outcome]:
    """Make the mask of a run of which all planes are finished, or the first ones."""
    yield Event("making the layers", 0, 1)
    results = [one.result for one in finished]
    planes = [*(one.placed or plane for one, plane in zip(finished, request.planes, strict=False))]
    planes += request.planes[len(planes) :]
    if request.axis is None:
        mask = result_layer(results[0], planes[0], request.table, finished[0].features)
    else:
        mask = stack_layer(results, planes, request.axis, request.table, [one.features for one in finished])
    if kept := [one.decided for one in finished if one.decided is not None]:
        keep_evidence(mask, kept)
    keep_outcome(mask, _outcome(request, finished))
    mark(mask, _origin(request))
    maps = class_map_layers(mask, request.table) if request.class_maps else []
    if request.distance_map:
        maps += distance_map_layers(mask)
    return Outcome(results[0].classes, mask, tuple(maps))


def _origin(request: SegmentRequest) -> Origin:
    """What tells a run repeated from another run."""
    first = request.planes[0]
    where = (first.index, first.window, request.axis)
    return Origin(MASK, first.layer, where, request.model)


def _outcome(request: SegmentRequest, finished: Sequence[Finished]) -> RunOutcome:
    name, planes = request.planes[0].name, len(request.planes)
    said = [Said(text, i) for i, one in enumerate(finished) for text in one.notices]
    return RunOutcome(
        image=name,
        model=title_of(request.model),
        planes=tuple(one.outcome for one in finished),
        wanted=planes,
        notices=joined(said, name, planes),
        given=request.settings.classes is not None,
        asked=(request.model, request.settings),
        part=request.planes[0].window is not None,
    )


def _segmented(request: SegmentRequest) -> Steps[list[Finished]]:
    """Load the model and segment the planes, one after the other."""
    yield segment_plan(request.planes, request.settings, request.model)
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    finished: list[Finished] = []
    for i in range(len(request.planes)):
        notices: list[str] = []
        steps = without_notices(without_size(_plane_steps(request, i, predictor)), notices)
        if request.axis is None:
            one = yield from steps
            finished.append(replace(one, notices=tuple(notices)))
        else:
            stage = f"plane {i + 1} of {len(request.planes)}"
            one = yield from named_stages(steps, stage)
            finished.append(replace(one, notices=tuple(notices)))
            yield PlaneSegmented(stage, 1, 1, finished=finished[-1])
    return finished


def _plane_steps(request: SegmentRequest, number: int, predictor: Predictor) -> Steps[Finished]:
    plane, settings, axis = request.planes[number], request.settings, request.axis
    yield Event("reading the image", 0, 1)
    seen = plane.for_model(predictor, settings.mpp)
    shown = seen.rgb()
    mpp, stated = plane.size_used(settings.mpp)
    asked = settings
    if seen is not plane:  # pixels of another size than those that the user gave a size for
        mpp, asked = seen.mpp, settings.changed(mpp=None)
    for text in (*shown.notices, *stated):
        yield Notice("reading the image", 1, 1, text)
    placed = replace(seen, data=plane.data) if seen is not plane else None
    name = plane.name if axis is None else f"{plane.name}, plane {number + 1}"
    result, decider = yield from request.decided_steps(
        shown.rgb, predictor, asked, mpp=mpp, name=name, valid=shown.valid
    )
    at = tuple(number if a == axis else 0 for a in range(len(plane.index)))
    calibration = getattr(predictor, "calibration", None)
    thresholds = None if calibration is None else calibration.presence_thresholds
    outcome = plane_outcome(result, settings, thresholds, at)
    yield Event("refine", 1, 1)
    features = label_features(result)
    yield Event("refine", 1, 1)
    if decider is None:
        return Finished(result, outcome, features, placed=placed)
    decided = Decided.of_run(result, decider, settings, plane, request.model, features, at)
    return Finished(result, outcome, features, decided=decided, placed=placed)


def without_notices(steps: Steps[Result], notices: list[str]) -> Steps[Result]:
    """The same steps without their notices, which are added to a list: they are said with the result."""

    def take(notice: Notice) -> bool:
        notices.append(notice.message)
        return True

    return without(steps, take)


def named_stages(steps: Steps[Result], name: str) -> Steps[Result]:
    """The same steps, whose stages say which part of a larger job they belong to."""
    return forward(steps, lambda event: (replace(event, stage=f"{name}, {event.stage}"),))


def about(predictor: Any) -> str:
    """A line about a model: its classes, the resolution it was trained at, the licence of its encoder."""
    untrained = hasattr(predictor, "words")
    if is_student(predictor):
        knows = f"cells in one channel ({', '.join(predictor.channels)})"
    else:
        knows = "the words of the class table" if untrained else ", ".join(predictor.classes.names)
    parts = [f"Knows {knows}"]
    mpp, spec = getattr(predictor, "mpp", None), getattr(predictor, "spec", None)
    if mpp is not None:
        parts.append(f"{'sees' if untrained else 'trained at'} {mpp:.4g} µm per pixel")
    elif untrained:
        parts.append("its authors name no resolution")
    if spec is not None:
        parts.append(f"encoder {spec.id}, licence {spec.licence}")
    elif is_student(predictor):
        parts.append(f"encoder {predictor.checkpoint.config.encoder}")
    return "; ".join(parts)
