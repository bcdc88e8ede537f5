"""Planes of a stack that were finished before the run was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari_construct.widgets.jobs.workers import MakeSteps


class FinishedPlanes:
    """Collects the finished planes of a run over a stack.

    Parameters
    ----------
    make_layers : callable
        From the finished planes to the job that makes their layers.
    """

    def __init__(self, make_layers: Callable[[tuple[Any, ...]], Any]) -> None:
        self._make_layers = make_layers
        self._finished: list[Any] = []

    def add(self, finished: Any) -> None:
        """Add the next plane."""
        self._finished.append(finished)

    def steps(self) -> MakeSteps | None:
        """A job that makes the layers of the finished planes; None if there are none."""
        return partial(self._make_layers, tuple(self._finished)) if self._finished else None
