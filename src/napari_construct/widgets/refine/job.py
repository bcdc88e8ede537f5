"""The job behind Refine, without a widget: the part on view first, then the whole mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_construct.crf import CRFParameters
from napari_construct.events import Event, Steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.jobs.plans import refine_plan
from napari_construct.widgets.jobs.predictors import KeptDecider
from napari_construct.widgets.layers import (
    REFINED,
    Decided,
    Origin,
    label_features,
    labels_layer,
    mark,
    twin_placement,
)

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Pixels of a layer that are to have other labels: an index array per axis, and the labels."""

    indices: tuple[NDArray[np.intp], ...]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LayerMade(Event):
    """The layer that shows the refined mask was made; it is to be added."""

    layer: Labels


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WindowDone(Event):
    """The part on view is refined."""

    change: Change


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlaneDone(Event):
    """A whole plane is refined: its result, the table of it, and what has to change in its layer."""

    decided: Decided
    settings: SegmentSettings
    result: SegmentationResult
    features: Mapping[str, Any]
    change: Change


@dataclass(frozen=True, slots=True, eq=False)
class RefineRequest:
    """One refinement.

    Attributes
    ----------
    decider : KeptDecider
        Decides, and keeps what other settings have in common.
    planes : tuple of Decided
        What the mask's planes were made from; the one on view first.
    settings : SegmentSettings
        The new ones.
    window : tuple of slice or None
        The part on view of the first plane; None where that is (nearly) all.
    source : Labels
        The mask as it was segmented.
    target : Labels or None
        The layer with the refined mask; a copy of ``source`` is made where there is none yet.
    """

    decider: KeptDecider
    planes: tuple[Decided, ...]
    settings: SegmentSettings
    window: Window | None
    source: Labels
    target: Labels | None


def refine_job(request: RefineRequest) -> Steps[int]:
    """Decide anew and say which pixels change, plane by plane; returns how many planes were done."""
    planes, settings, target = request.planes, request.settings, request.target
    yield refine_plan([decided.activation.shape for decided in planes], settings)
    if target is None:
        target = refined_layer(request.source, planes[0])
        yield LayerMade("refine", 0, len(planes), layer=target)
    for i, decided in enumerate(planes):
        if request.window is not None and not i:
            inner, outer = _with_margin(request.window, decided.activation.shape, settings)
            part = yield from request.decider.steps(decided, settings, outer)
            rows, columns = (
                slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)
            )
            change = _change(target, part.labels[rows, columns], inner, decided.at)
            yield WindowDone("planes", 0, len(planes), change=change)
        result = yield from request.decider.steps(decided, settings)
        yield Event("refine", 0, 1)
        features = label_features(result)
        yield Event("refine", 0, 1)
        full = (slice(0, result.labels.shape[0]), slice(0, result.labels.shape[1]))
        change = _change(target, result.labels, full, decided.at)
        yield PlaneDone(
            "planes",
            i + 1,
            len(planes),
            decided=decided,
            settings=settings,
            result=result,
            features=features,
            change=change,
        )
    return len(planes)


def refined_layer(source: Labels, decided: Decided) -> Labels:
    """A copy of a mask that may be changed, in the same place."""
    layer = labels_layer(
        np.array(source.data),
        decided.predictor.classes,
        decided.plane.name,
        features=source.features,
        record={},
        kind="refined",
        **twin_placement(source),
    )
    mark(layer, Origin(REFINED, decided.plane.layer), stays=True)
    return layer


def _with_margin(window: Window, shape: tuple[int, int], settings: SegmentSettings) -> tuple[Window, Window]:
    """The window within the image, and with what the CRF must see around it."""
    crf = settings.crf
    reach = 0
    if isinstance(crf, CRFParameters):
        reach = min(math.ceil(2 * max(crf.smoothness_sigma, crf.appearance_sigma_xy)), 64)
    inner = [slice(max(part.start, 0), min(part.stop, n)) for part, n in zip(window, shape, strict=True)]
    outer = [
        slice(max(part.start - reach, 0), min(part.stop + reach, n))
        for part, n in zip(inner, shape, strict=True)
    ]
    return (inner[0], inner[1]), (outer[0], outer[1])


def _change(target: Labels, labels: NDArray[np.uint8], window: Window, at: tuple[int, ...]) -> Change:
    now = np.asarray(target.data[(*at, *window)])
    rows, columns = np.nonzero(now != labels)
    before = tuple(np.full(rows.size, index, np.intp) for index in at)
    return Change((*before, rows + window[0].start, columns + window[1].start), labels[rows, columns])
