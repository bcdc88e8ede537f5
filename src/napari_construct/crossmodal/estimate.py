"""What a distillation will take on this computer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.distil import distil_steps
from napari_construct.crossmodal.loop.norm_statistics import PARTS, PARTS_OF_AN_IMAGE, SIDE
from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.cached import STAGE, TeacherCache
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.subset import subset
from napari_construct.events import Event, StepDone, Steps
from napari_construct.training.tools.stage_times import StageTimes

STEPS: Final = 3
"""Steps that are really taken, the first of which is not counted."""

_IMAGES: Final = 2
_FORWARD: Final = 1 / 3
"""Share of a step that a pass without gradients takes."""


@dataclass(frozen=True, slots=True)
class DistilEstimate:
    """Time of a run.

    Attributes
    ----------
    seconds : float
        The whole run.
    teacher_seconds : float
        For one image; 0 without a teacher.
    step_seconds : float
        For one step.
    images, scored : int
        Images to train on, and held-out ones.
    steps, views : int
        Optimiser steps, and views that they see.
    """

    seconds: float
    teacher_seconds: float
    step_seconds: float
    images: int
    scored: int
    steps: int
    views: int


def estimate_distil_steps(
    dataset: CellDataset,
    teacher: Teacher | None,
    config: DistilConfig,
    *,
    val: CellDataset | None = None,
    device: str = "auto",
    cache: TeacherCache | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Steps[DistilEstimate]:
    """Measure a few steps on a few images; arguments are those of :func:`~.distil.distil`.

    Yields
    ------
    Event
        Stage "estimate". Nothing is written, except what the teacher says to the cache.

    Raises
    ------
    ConstructError
        As the run would.
    """
    yield Event("estimate", 0, STEPS)
    part = subset(dataset, _some(dataset, config))
    times, pixels = StageTimes(clock), 0
    with closing(distil_steps(part, teacher, config, device=device, cache=cache)) as steps:
        for event in steps:
            times.add(event)
            yield Event("estimate", min(len(times.steps), STEPS), STEPS, event.stage)
            if isinstance(event, StepDone) and event.done >= min(STEPS, config.steps):
                break
    for index in range(len(part)):
        rows, columns = part.load(index).image.pixels.shape[1:]
        pixels += rows * columns
    per_pixel = _FORWARD * times.step / (config.batch_size * config.patch**2)
    scored, rounds = 0 if val is None else len(val), min(config.validations, config.steps)
    scoring = rounds if scored else 1
    seconds = (
        times.each(STAGE) * (len(dataset) + scored)
        + times.each("read") * len(dataset)
        + times.step * config.steps
        + scoring * per_pixel * min(PARTS * SIDE**2, PARTS_OF_AN_IMAGE * len(dataset) * pixels / len(part))
        + rounds * scored * per_pixel * pixels / len(part)
    )
    views = config.steps * config.batch_size
    return DistilEstimate(seconds, times.each(STAGE), times.step, len(dataset), scored, config.steps, views)


def _some(dataset: CellDataset, config: DistilConfig) -> list[int]:
    """A few images, such that have drawn cells where these are all that is trained on."""
    known = [i for i, there in enumerate(dataset.has_truth) if there or config.uses_teacher]
    used = known or list(range(len(dataset)))
    return used[:: max(1, math.ceil(len(used) / _IMAGES))][:_IMAGES]
