"""Planes of a stack that were segmented before the run was cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from napari_construct.classes import ClassTable
from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.segment.job import Finished, planes_joined


class FinishedPlanes:
    """Collects them while a run goes on.

    Parameters
    ----------
    planes : sequence of Plane
        Those of the run.
    axis : int
        Along which they lie.
    table : ClassTable or None
        Colours in which classes are shown.
    """

    def __init__(self, planes: Sequence[Plane], axis: int, table: ClassTable | None) -> None:
        self._planes, self._axis, self._table = planes, axis, table
        self._finished: list[Finished] = []

    def add(self, finished: Finished) -> None:
        """The next plane is done."""
        self._finished.append(finished)

    def steps(self) -> MakeSteps | None:
        """A job that makes the layers of what is done; None where nothing is."""
        if not self._finished:
            return None
        return partial(planes_joined, tuple(self._finished), self._planes, self._axis, self._table)

    def summary(self) -> str:
        """What became of the run, in a line."""
        done, all_ = len(self._finished), len(self._planes)
        rest = "; the others are unlabelled" if done < all_ else ""
        return f"Cancelled after {done} of {all_} planes{rest}."
