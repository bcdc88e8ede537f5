"""The jobs behind Teach, without a widget."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Labels

from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, Steps, without
from napari_construct.exceptions import InputError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.layers import Origin, Plane, label_features, labels_layer, mark
from napari_construct.widgets.layers.strokes import field_of_plane, strokes_layer
from napari_construct.widgets.teach.requests import (
    Counted,
    FieldRequest,
    LearnedDeeper,
    ModelSaved,
    SaveRequest,
    TaughtNow,
    TeachRequest,
    ViewDone,
)
from napari_construct.widgets.teach.values import in_order
from napari_construct.widgets.teach.work import Seen, counted, read_for, strokes_of

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.activation.predictor import Predictor

TAUGHT: Final = "taught"
"""Kind of a mask that is taught while one paints."""

ONE_CLASS: Final = "Paint strokes of two classes, and the mask appears."
ONE_MORE: Final = "Paint a stroke, and the mask appears."


def teach_job(request: TeachRequest) -> Steps[TaughtNow]:
    """Take the strokes over, fit, repaint what is on view, then score with strokes that are left out."""
    work = request.work
    yield Event("loading the model", 0, 1)
    session = work.session(request.settings, request.device)
    changed = work.put(session, request.painted, request.values)
    names = session.settings.classes.names
    counts = {key: counted(one.painted, names) for key, one in session.strokes.items()}
    known = session.start.known
    yield Counted("strokes", 1, 1, counts=counts, classes=session.classes, known=known)
    painted = {one.name for key, found in counts.items() if session.strokes[key].used for one in found}
    if not painted or len(painted | set(session.classes.names[:known])) < 2:
        work.fitted = work.score = None
        return TaughtNow(missing=ONE_MORE if known else ONE_CLASS)
    key = (session, session.settings)
    changed = changed or work.fitted is None or work.fitted[0] != key
    if changed:
        work.fitted = work.score = None  # a job that is cancelled meanwhile leaves nothing old behind
        work.fitted = key, (yield from session.fit_steps())
    taught = work.fitted[1] if work.fitted is not None else None
    deeper = None if changed else request.deeper
    missing = ""
    if request.view is not None and taught is not None:
        try:
            yield from _view(request.view, deeper or taught.predictor, request)
        except (
            InputError
        ) as error:  # said where it belongs, and not among napari's notifications at every move
            missing = str(error)
    if work.score is None:
        work.score = yield from session.score_steps()
    return TaughtNow(taught, work.score, missing, deeper is not None)


def _view(plane: Plane, predictor: Predictor, request: TeachRequest) -> Steps[None]:
    """Repaint what is on view."""
    yield Event("reading the image", 0, 1)
    seen = request.work.look(plane, predictor)
    result = yield from _without_notices(seen, predictor)
    yield ViewDone("view", 1, 1, layer=_taught_layer(result, seen, request.settings.classes))


def field_job(request: FieldRequest) -> Steps[Labels]:
    """Read what is to be painted on, and make a layer of strokes for it."""
    yield Event("reading the image", 0, 1)
    plane = request.plane
    if plane.slide is None:
        shown = plane.rgb()
        seen = Seen(plane, shown.rgb, shown.valid, plane.size_used(None)[0])
    else:
        session = request.work.session(request.settings, request.device)
        seen = read_for(plane, session.untaught())
    place = (0, 0) if plane.window is None else (plane.window[0].start, plane.window[1].start)
    field = field_of_plane(
        replace(seen.plane, mpp=seen.mpp), seen.pixels, whole=plane.window is None, place=place
    )
    field = replace(field, source=plane.path)
    yield Event("making the layer", 0, 1)
    table = request.settings.classes
    return strokes_layer(field, table, request.values, embedded=len(plane.index), **seen.plane.placement)


def deeper_job(request: TeachRequest) -> Steps[LearnedDeeper]:
    """Train a network of its own on the strokes, and show what it makes of what is on view."""
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.teaching.teach import teach_steps

    order = in_order(request.values, request.settings.classes.names)
    strokes = [strokes_of(one, order[one.data]) for one in request.painted]
    settings = request.settings.changed(deeper=True)
    checkpoint = yield from teach_steps(strokes, settings, device=request.device)
    count = sum(one.strokes for s in strokes if s.used for one in counted(s.painted, settings.classes.names))
    layer = None
    predictor = Predictor(checkpoint, request.device, name="learned deeper", any_encoder=True)
    if request.view is not None:
        seen = read_for(request.view, predictor)
        result = yield from _without_notices(seen, predictor)
        layer = _taught_layer(result, seen, request.settings.classes)
    return LearnedDeeper(checkpoint, predictor, layer, count)


def save_job(request: SaveRequest) -> Steps[ModelSaved]:
    """Write the model as a checkpoint like any other."""
    from napari_construct.models.checkpoints.checkpoint import save_checkpoint

    yield Event("saving", 0, 1)
    model: Any = request.model
    if hasattr(model, "checkpoint"):  # taught at once
        model = model.checkpoint if request.score is None else model.scored(request.score)
    return ModelSaved(save_checkpoint(request.path, model))


def _without_notices(seen: Seen, predictor: Predictor) -> Steps[SegmentationResult]:
    """Segment; what would be said after every stroke is left out."""
    from napari_construct.inference.segment import segment_steps

    steps = segment_steps(
        seen.pixels, predictor, SegmentSettings(), mpp=seen.mpp, name=seen.plane.name, valid=seen.valid
    )
    return without(steps, lambda event: isinstance(event, Notice))


def _taught_layer(result: SegmentationResult, seen: Seen, table: ClassTable) -> Labels:
    """The mask of what is on view, in its place."""
    plane = seen.plane
    layer = labels_layer(
        plane.embed(result.labels),
        _in_colours(result.classes, table),
        plane.name,
        features=label_features(result),
        record=result.record,
        kind=TAUGHT,
        **plane.placement,
    )
    layer.name = f"{plane.name} taught"
    mark(layer, Origin(TAUGHT, plane.layer, plane.index))
    return layer


def _in_colours(classes: ClassTable, table: ClassTable) -> ClassTable:
    styles = {tissue.name: tissue for tissue in table}
    return ClassTable(classes=tuple(_styled(tissue, styles.get(tissue.name)) for tissue in classes))


def _styled(tissue: Any, style: Any) -> Any:
    if style is None:
        return tissue
    return tissue.model_copy(update={"colour": style.colour, "shown": style.shown})
