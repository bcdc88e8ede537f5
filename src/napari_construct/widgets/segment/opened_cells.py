"""Cells that were opened from files with their maps: thresholds act on them as on those of this session."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_construct.data.limits import MAX_CHANNELS
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConstructError, InputError
from napari_construct.results.result import StoredResult
from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers import (
    KeptCells,
    Plane,
    channel_at,
    is_source,
    keep_cells,
    keep_outcome,
    kept_cells,
    layer_shape,
    mark,
    opened_cells,
    origin_of,
    outcome_of,
    plane_at,
)
from napari_construct.widgets.parts.channel_rows import channels_of
from napari_construct.widgets.parts.known_models import own_paths
from napari_construct.widgets.parts.prepare_opened import PrepareOpened
from napari_construct.widgets.parts.recorded_model import recorded_model_steps
from napari_construct.widgets.segment.cell_job import decided_job
from napari_construct.widgets.segment.job import Outcome


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRequest:
    """Cells that were opened.

    Attributes
    ----------
    stored : StoredResult
        With foreground and boundary.
    planes : tuple of Plane
        Images, or their channels, that may be the one that was segmented.
    own_models : tuple of str
        Paths of the user's own models.
    """

    stored: StoredResult
    planes: tuple[Plane, ...]
    own_models: tuple[str, ...] = ()


class PrepareCells(PrepareOpened):
    """Finds image and model of opened cells, so that they follow the thresholds; the network does not run."""

    title = "Prepare cells"
    verb = "Change thresholds"
    tip = "Find the image among the layers and the model on this computer; the network does not run again"
    busy = "Looking for image and model..."

    def accepts(self, layer: Any) -> bool:
        stored = opened_cells(layer)
        if stored is None or kept_cells(layer) is not None or layer.ndim != 2:
            return False
        return all(isinstance(stored.record.get(part), Mapping) for part in ("model", "settings", "input"))

    def about(self, layer: Labels) -> str:
        return f"{layer.name} was opened with its maps: other thresholds can be tried on it."

    def steps(self, layer: Labels) -> MakeSteps:
        stored = opened_cells(layer)
        if stored is None:  # it was accepted
            raise InputError(f"{layer.name}: expected cells with their maps; open them again")
        planes = tuple(_candidates(self._viewer.layers, stored.labels.shape))
        return partial(opened_job, OpenedRequest(stored, planes, tuple(own_paths())))

    def take(self, layer: Labels, found: Outcome) -> str:
        kept, outcome, origin = kept_cells(found.mask), outcome_of(found.mask), origin_of(found.mask)
        if kept is None or outcome is None or origin is None:
            return ""
        same = np.array_equal(np.asarray(layer.data), np.asarray(found.mask.data))
        keep_cells(layer, kept)
        keep_outcome(layer, outcome)
        mark(layer, origin, stays=not same)
        return "" if same else "Its cells were changed by hand and stay as they are."


def opened_job(request: OpenedRequest) -> Steps[Outcome]:
    """Find image and model by their hashes, and decide the cells from their maps.

    Raises
    ------
    InputError
        If the image is not open, the model is not on this computer, or the record is damaged.
    """
    from napari_construct.inference.cells.evidence import stored_evidence, stored_settings

    yield Event("looking for image and model", 0, 1)
    stored = request.stored
    evidence, settings = stored_evidence(stored), stored_settings(stored)
    plane = yield from _image_steps(request)
    model = yield from recorded_model_steps(stored.record, request.own_models, "result")
    if evidence is None:
        raise InputError(f"{plane.name}: expected cells with their maps, got others; segment again")
    kept = KeptCells((evidence,), settings, (plane,), None, model, (evidence.notices,))
    return (yield from decided_job(kept, settings))


def _image_steps(request: OpenedRequest) -> Steps[Plane]:
    about = request.stored.record["input"]
    for i, plane in enumerate(request.planes):
        yield Event("looking for the image", i, len(request.planes))
        if about.get("sha256") in _hashes(plane):
            return plane
    name = about.get("name", "the image")
    raise InputError(
        f"expected the image of these cells ({name}) in the list of layers, got none; open it first"
    )


def _hashes(plane: Plane) -> Iterator[str]:
    """SHA-256 of the channels of a plane, as records have them; none where it cannot be read."""
    try:
        channels = plane.channels().pixels
    except ConstructError:
        return
    for channel in channels:
        yield hashlib.sha256(np.ascontiguousarray(channel).data).hexdigest()


def _candidates(layers: Sequence[Any], shape: tuple[int, ...]) -> Iterator[Plane]:
    """Images of a size (h, w), and each channel of those of several."""
    for layer in layers:
        if not is_source(layer) or layer_shape(layer)[-2:] != shape:
            continue
        before = layer_shape(layer)[:-2]
        if not before:
            yield plane_at(layer, ())
        elif len(before) == 1 and before[0] <= MAX_CHANNELS:
            _, names = channels_of(layer) or (0, tuple(map(str, range(before[0]))))
            for number, name in enumerate(names):
                plane = channel_at(plane_at(layer, (0,)), layer, 0, number, name)
                if plane.dropped:
                    yield plane
