"""Planes of a stack that were finished before the run was cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from napari_construct.classes import ClassTable
from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.segment.job import Finished, planes_joined


class FinishedPlanes:
    """Collects the finished planes during a run.

    Parameters
    ----------
    planes : sequence of Plane
        All planes of the run.
    axis : int
        Axis of the planes.
    table : ClassTable or None
        Colours of the classes.
    """

    def __init__(self, planes: Sequence[Plane], axis: int, table: ClassTable | None) -> None:
        self._planes, self._axis, self._table = planes, axis, table
        self._finished: list[Finished] = []

    def add(self, finished: Finished) -> None:
        """Add the next plane."""
        self._finished.append(finished)

    def steps(self) -> MakeSteps | None:
        """A job that makes the layers of the finished planes; None if there are none."""
        if not self._finished:
            return None
        return partial(planes_joined, tuple(self._finished), self._planes, self._axis, self._table)

    def summary(self) -> str:
        """The outcome of the run in a line."""
        done, all_ = len(self._finished), len(self._planes)
        rest = " The others are unlabelled." if done < all_ else ""
        return f"Cancelled after {done} of {all_} planes.{rest}"
