"""Planes of a stack that were finished before the run was cancelled."""

from __future__ import annotations

from functools import partial

from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.segment.job import Finished, SegmentRequest, layers_job


class FinishedPlanes:
    """Collects the finished planes of a run over a stack."""

    def __init__(self, request: SegmentRequest) -> None:
        self._request = request
        self._finished: list[Finished] = []

    def add(self, finished: Finished) -> None:
        """Add the next plane."""
        self._finished.append(finished)

    def steps(self) -> MakeSteps | None:
        """A job that makes the layers of the finished planes; None if there are none."""
        return partial(layers_job, self._request, tuple(self._finished)) if self._finished else None
