"""Offers to make a mask that was opened from a file refinable."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.layers import Labels

from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers import keep_evidence
from napari_construct.widgets.parts.prepare_opened import PrepareOpened
from napari_construct.widgets.refine.evidence_again import (
    Again,
    again_job,
    again_request,
    can_be_prepared,
    seconds,
)


class PrepareMask(PrepareOpened):
    """Segments the image of an opened mask again, so that Refine can go on with it."""

    title = "Prepare a mask"
    verb = "Prepare for refining"
    tip = "Segment the image again with the recorded model and settings. The mask stays as it is"
    busy = "The image is segmented again..."

    def accepts(self, layer: Any) -> bool:
        return can_be_prepared(layer)

    def about(self, layer: Labels) -> str:
        taken = seconds(layer)
        about = "" if taken is None else f", which took {max(taken, 1):.0f} s the first time"
        return f"{layer.name} was opened from a file. To refine it, its image is segmented again{about}."

    def steps(self, layer: Labels) -> MakeSteps:
        return partial(again_job, again_request(layer, self._viewer.layers))

    def take(self, layer: Labels, found: Again) -> str:
        keep_evidence(layer, found.decided)
        return found.text()
