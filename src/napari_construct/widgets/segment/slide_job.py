"""The job behind Segment with a whole slide: out of core, into a folder, and a mask that fills meanwhile."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_construct.classes import ClassTable
from napari_construct.data.slides.slide import Slide
from napari_construct.events import Event, Resumed, Steps, forward
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.files.filling_pyramid import FillingPyramid
from napari_construct.widgets.jobs.notices import without_size
from napari_construct.widgets.jobs.plans import slide_plan
from napari_construct.widgets.jobs.predictors import GetPredictor, ModelChoice
from napari_construct.widgets.layers import (
    MASK,
    ClassOutcome,
    Origin,
    PlaneOutcome,
    RunOutcome,
)
from napari_construct.widgets.layers.place import coarser
from napari_construct.widgets.segment.job import without_notices
from napari_construct.widgets.segment.said import Said, joined, title_of

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.slides.job import SlideResult


@dataclass(frozen=True, slots=True, eq=False)
class SlideRequest:
    """One run over a whole slide.

    Attributes
    ----------
    slide : Slide
        The file; the job opens it for itself.
    name : str
        The layer's name.
    layer : hashable
        ``unique_id`` of the layer.
    place : dict
        Placement of the layer, as of ``twin_placement``.
    folder : Path
        Where results are written.
    stem : str
        Start of their names.
    model : str or ZeroShotSettings
        As records and scripts name it.
    settings : SegmentSettings
        Those of the run.
    shown : SegmentSettings
        Those on view, which leave out a pixel size that the layer knows.
    get_predictor : callable
        Loads the model, on ``device``.
    table : ClassTable or None
        Colours in which classes are shown.
    device : str
        As scripts name it.
    """

    slide: Slide
    name: str
    layer: Hashable
    place: dict[str, Any]
    folder: Path
    stem: str
    model: ModelChoice
    settings: SegmentSettings
    shown: SegmentSettings
    get_predictor: GetPredictor
    table: ClassTable | None = None
    device: str = "auto"

    @property
    def pyramid(self) -> Path:
        """Folder of the labels."""
        return self.folder / f"{self.stem}_mask.ome.zarr"

    @property
    def origin(self) -> Origin:
        """What tells a run repeated from another run."""
        return Origin(MASK, self.layer, str(self.pyramid.absolute()), self.model)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaskBegun(Event):
    """The pyramid is there: its layer, and how much an earlier run left."""

    mask: FillingPyramid
    classes: ClassTable
    tiles: tuple[int, int]
    """How many are done, of how many."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MaskGrown(Event):
    """Shards were written, and are in the layer."""


@dataclass(frozen=True, slots=True, eq=False)
class SlideOutcome:
    """The classes of the model, and all that is known of the mask, which is on view already."""

    classes: ClassTable
    mask: FillingPyramid
    origin: Origin
    outcome: RunOutcome
    features: Mapping[str, list[Any]]
    record: Mapping[str, Any]


def slide_job(request: SlideRequest) -> Steps[SlideOutcome]:
    """The whole job, in the worker's thread."""
    yield slide_plan(request.settings, request.model, _megapixels(request.slide))
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    notices: list[str] = []
    with copy.copy(request.slide) as slide:  # that of the layer is closed with it
        steps = without_notices(without_size(_segmented(request, slide, predictor)), notices)
        watched = _Watched(request, predictor)
        result = yield from forward(steps, watched.events)
    mask = watched.filled()
    outcome = _outcome(request, predictor, result, notices)
    features = _features(result, outcome.planes[0])
    return SlideOutcome(predictor.classes, mask, request.origin, outcome, features, result.record)


def _segmented(request: SlideRequest, slide: Slide, predictor: Predictor) -> Steps[SlideResult]:
    from napari_construct.inference.slides.segment import segment_slide_steps

    return segment_slide_steps(slide, predictor, request.settings, folder=request.folder, stem=request.stem)


class _Watched:
    """Follows the events of a run: makes the mask as soon as the pyramid is there, and fills it."""

    def __init__(self, request: SlideRequest, predictor: Predictor) -> None:
        self._request, self._predictor = request, predictor
        self.mask: FillingPyramid | None = None
        self._left = 0

    def events(self, event: Event) -> Iterable[Event]:
        """What is yielded in the place of an event."""
        if self.mask is None:
            return self._first(event) if event.stage == "tiles" else (event,)
        if event.stage == "tiles":
            return (event,)
        if event.stage == "refine" and event.total == self._left and self.mask.take():
            return (MaskGrown("refine", self._done, self._left),)
        return (Event("refine", self._done, self._left),)  # also of the steps within a block

    @property
    def _done(self) -> int:
        return 0 if self.mask is None else self.mask.done - (self.mask.total - self._left)

    def _step(self) -> tuple[float, float]:
        """Rows and columns of the slide along the sides of a label."""
        from napari_construct.inference.slides.pixels import model_pixels

        return model_pixels(self._request.slide, self._predictor, self._request.settings.mpp)[0].step

    def filled(self) -> FillingPyramid:
        """The mask of the finished run, with all that was written."""
        mask = self._made() if self.mask is None else self.mask
        mask.take()
        return mask

    def _made(self) -> FillingPyramid:
        # in a thread of its own: a layer keeps the frames that it is made in, and with them the network
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_mask, self._request, self._predictor.classes, self._step()).result()

    def _first(self, event: Event) -> Iterable[Event]:
        request, mask = self._request, self._made()
        self.mask, self._left = mask, mask.total - mask.done
        tile = request.settings.tile
        plan = slide_plan(
            request.settings,
            request.model,
            event.total * tile * tile / 1e6,
            refined=self._left / mask.total,
            loaded=True,
        )
        begun = MaskBegun(
            "tiles", 0, 0, mask=mask, classes=self._predictor.classes, tiles=(event.done, event.total)
        )
        first = Resumed("tiles", event.done, event.total) if event.done else event
        return plan, begun, first


def _mask(request: SlideRequest, classes: ClassTable, step: tuple[float, float]) -> FillingPyramid:
    return FillingPyramid(
        request.pyramid, request.name, request.table or classes, coarser(request.place, step)
    )


def _megapixels(slide: Slide) -> float:
    return slide.shape[0] * slide.shape[1] / 1e6


def _outcome(
    request: SlideRequest, predictor: Predictor, result: SlideResult, notices: list[str]
) -> RunOutcome:
    settings, record = request.settings, result.record
    limits: list[float | None] = [None] * len(result.areas)
    if settings.classes is None and settings.presence_threshold is not None:
        limits = [settings.presence_threshold] * len(limits)
    elif settings.classes is None:
        limits = list(predictor.calibration.presence_thresholds) or [0.5] * len(limits)
    classes = tuple(
        ClassOutcome(
            area["class"],
            area["pixels"],
            record["presence"][area["class"]]["present"],
            record["presence"][area["class"]]["score"],
            limit,
            "another class is more likely, or the refined borders leave no pixel (CRF)"
            if record["presence"][area["class"]]["present"] and not area["pixels"]
            else "",
        )
        for area, limit in zip(result.areas, limits, strict=True)
    )
    size = record["mpp_of_labels"]
    mpp = None if size is None else float(size[0] * size[1]) ** 0.5
    said = joined([Said(text, 0) for text in notices], request.slide.name, 1)
    return RunOutcome(
        image=request.name,
        model=title_of(request.model),
        planes=(PlaneOutcome(classes, record["tissue_pixels"], mpp),),
        notices=(*said, f"Written to {request.folder}."),
        given=settings.classes is not None,
        asked=(request.model, request.shown),
    )


def _features(result: SlideResult, plane: PlaneOutcome) -> dict[str, list[Any]]:
    """The table of the mask: a row for each class."""
    table: dict[str, list[Any]] = {
        "index": list(range(1, len(plane.classes) + 1)),
        "class": [one.name for one in plane.classes],
        "present": [one.present for one in plane.classes],
        "presence score": [one.score for one in plane.classes],
    }
    for column in result.areas[0]:
        if column != "class":
            table[column] = [area[column] for area in result.areas]
    return table
