"""The job behind Refine, without a widget: the part on view first, then the whole mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_construct.events import Event, Steps
from napari_construct.inference.result import SegmentationResult
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets._layers import Decided, labels_layer, twin_placement

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Pixels of a layer that are to have other labels: an index array per axis, and the labels."""

    indices: tuple[NDArray[np.intp], ...]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class LayerMade(Event):
    """The layer that shows the refined mask was made; it is to be added."""

    layer: Labels | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WindowDone(Event):
    """The part on view is refined."""

    change: Change | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A whole refined mask, and what has to change in its layer."""

    result: SegmentationResult
    change: Change
    settings: SegmentSettings


def refine_steps(
    decide: Callable[..., Steps[SegmentationResult]],
    decided: Decided,
    settings: SegmentSettings,
    window: Window | None,
    source: Labels,
    target: Labels | None,
) -> Steps[Refined]:
    """Decide anew and say which pixels change.

    Parameters
    ----------
    decide : callable
        ``Decider.steps``.
    decided : Decided
        What the mask was made from.
    settings : SegmentSettings
        The new ones.
    window : tuple of slice or None
        The part on view; None where that is (nearly) all.
    source : Labels
        The mask as it was segmented.
    target : Labels or None
        The layer with the refined mask; a copy of ``source`` is made where there is none yet.
    """
    if target is None:
        target = refined_layer(source, decided)
        yield LayerMade("refine", 0, 1, layer=target)
    if window is not None:
        inner, outer = _with_margin(window, decided.activation.shape, settings)
        part = yield from decide(settings, outer)
        rows, columns = (
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        yield WindowDone("refine", 0, 1, change=_change(target, part.labels[rows, columns], inner))
    result = yield from decide(settings)
    full = (slice(0, result.labels.shape[0]), slice(0, result.labels.shape[1]))
    return Refined(result, _change(target, result.labels, full), settings)


def refined_layer(source: Labels, decided: Decided) -> Labels:
    """A copy of a mask that may be changed, in the same place."""
    return labels_layer(
        np.array(source.data),
        decided.predictor.classes,
        decided.plane.name,
        features=source.features,
        record={},
        kind="refined",
        **twin_placement(source),
    )


def _with_margin(window: Window, shape: tuple[int, int], settings: SegmentSettings) -> tuple[Window, Window]:
    """The window within the image, and with what the CRF must see around it."""
    crf = settings.crf
    reach = 0 if crf is None else min(math.ceil(2 * max(crf.smoothness_sigma, crf.appearance_sigma_xy)), 64)
    inner = [slice(max(part.start, 0), min(part.stop, n)) for part, n in zip(window, shape, strict=True)]
    outer = [
        slice(max(part.start - reach, 0), min(part.stop + reach, n))
        for part, n in zip(inner, shape, strict=True)
    ]
    return (inner[0], inner[1]), (outer[0], outer[1])


def _change(target: Labels, labels: NDArray[np.uint8], window: Window) -> Change:
    data: Any = target.data
    now = data.reshape(data.shape[-2:])[window]
    rows, columns = np.nonzero(now != labels)
    before = tuple(np.zeros(rows.size, np.intp) for _ in range(data.ndim - 2))
    return Change((*before, rows + window[0].start, columns + window[1].start), labels[rows, columns])
