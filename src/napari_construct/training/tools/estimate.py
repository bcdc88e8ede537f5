r"""Estimate time and memory of a run from a few real steps.

The run is started on a few of its patches, with its own network, device and settings, and stopped after a
few steps and the first validated image. Time adds up as

.. math:: t = t_0 + n \, t_{patch} + s \, t_{step} + v \, (t_{norms} + c \, t_{cal} + m \, t_{image})

with n patches to read (and, with the feature cache, to encode), s steps, and the v validations of the run's
own schedule (:mod:`~napari_construct.training.loop.schedule`), each of which estimates batch statistics,
calibrates on c patches and scores m images; the last calibration, on masks, looks at the m images once more
and at a few of them five times. The first step is not counted: it includes what libraries prepare once.
Images that validate are taken to be as large as the first one.

Memory is the most that the process held meanwhile, with everything that is in it, and the patches that
were not read yet. Another program that keeps the processor busy makes the estimate long; one that starts
later makes it short.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Event, Steps
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.training.calibration.labelled_logits import MOST_PATCHES
from napari_construct.training.calibration.mask_choices import MOST
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.preparation import student_id
from napari_construct.training.loop.schedule import Schedule, Scheduled
from napari_construct.training.loop.train import train_steps
from napari_construct.training.tools.stage_times import StageTimes
from napari_construct.training.views.patches import usual_size
from napari_construct.training.views.sheets import SHEETS
from napari_construct.types import PathLike

STEPS: Final = 3
"""Steps that are really taken, the first of which is not counted."""

_PER_VALIDATION: Final = frozenset({"average", "statistics", "calibrate", "validate", "epoch"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """Time and memory of a run.

    Attributes
    ----------
    seconds : float
        The whole run.
    step_seconds, validation_seconds : float
        One step; one validation.
    steps, validations : int
        How many there are.
    memory : int
        Peak main memory of the process in bytes.
    device_memory : int or None
        Bytes on a graphics card; None on a CPU.
    device : str
        Device of the measurement.
    """

    seconds: float
    step_seconds: float
    validation_seconds: float
    steps: int
    validations: int
    memory: int
    device_memory: int | None
    device: str


def estimate_steps(
    dataset: ImageLevelDataset,
    config: TrainingConfig,
    *,
    classes: ClassTable | None = None,
    val: ImageLevelDataset | PathLike | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
    clock: Callable[[], float] = time.perf_counter,
) -> Steps[Estimate]:
    """Measure a few steps of a run as a job; arguments are those of ``train``.

    Yields
    ------
    Event
        Those of the run. Nothing is written, except to a feature cache.

    Raises
    ------
    ConstructError
        As the run would.
    """
    where = resolve_device(device)
    part = _some(dataset, STEPS * config.batch_size)
    epochs = math.ceil(STEPS / math.ceil(len(part) / config.batch_size))
    student = config.model.model_copy(update={"encoder": student_id(config)})
    short = config.changed(model=student, epochs=epochs, validate_every=epochs, patience=None, keep="last")
    times, schedule = StageTimes(clock), None
    forget_peak(where)
    with closing(train_steps(part, short, classes=classes, val=val, encoder=encoder, device=device)) as steps:
        for event in steps:
            if isinstance(event, Scheduled):
                schedule = event.schedule
                continue
            times.add(event)
            yield Event("estimate", min(len(times.steps), STEPS), STEPS, event.stage)
            if event.stage == "validate" and event.done >= 1:
                break  # one image is scored: enough
    return _summed(times, dataset, part, config, schedule, val, where)


def _summed(
    times: StageTimes,
    dataset: ImageLevelDataset,
    part: ImageLevelDataset,
    config: TrainingConfig,
    short: Schedule | None,
    val: ImageLevelDataset | PathLike | None,
    where: torch.device,
) -> Estimate:
    growth = len(dataset) / len(part)
    calibrated = min(MOST_PATCHES, len(val) if isinstance(val, ImageLevelDataset) else len(dataset))
    settled = (
        config if short is None else config.changed(encoder_learning_rate=short.config.encoder_learning_rate)
    )
    looked_at = times.units.get("statistics", 0)
    sheets = min(SHEETS, math.ceil(looked_at * growth))
    schedule = Schedule.of_run(
        settled,
        math.ceil(len(dataset) / config.batch_size),
        calibrated=calibrated,
        sheets=0.0 if short is None else short.sheets * sheets / max(looked_at, 1),
        images=0 if short is None else short.images,
        area=0.0 if short is None else short.area,
    )
    steps, validations, images = schedule.steps, len(schedule.validated), schedule.images
    step = median(times.steps[1:] or times.steps)
    validation = (
        times.each("average") * min(config.norm_batches, steps)
        + times.each("statistics") * sheets
        + times.each("calibrate") * calibrated
        + times.each("validate") * images
    )
    looks = images + 5 * min(images, MOST) if config.calibrate_on_masks else 0
    once = sum(s for stage, s in times.seconds.items() if stage not in _PER_VALIDATION)
    return Estimate(
        seconds=times.steps[0]
        + once * growth
        + steps * step
        + validations * validation
        + looks * times.each("validate"),
        step_seconds=step,
        validation_seconds=validation,
        steps=steps,
        validations=validations,
        memory=peak_memory() + _unread(dataset, part, config),
        device_memory=torch.cuda.max_memory_allocated(where) if where.type == "cuda" else None,
        device=str(where),
    )


def _unread(dataset: ImageLevelDataset, part: ImageLevelDataset, config: TrainingConfig) -> int:
    """Bytes of the patches that the run keeps and the measurement did not read."""
    height, width = usual_size(part.paths)
    side = 3 * height * width
    return (len(dataset) - len(part)) * side if len(dataset) * side <= config.memory_limit_mb * 1e6 else 0


def _some(dataset: ImageLevelDataset, count: int) -> ImageLevelDataset:
    """About ``count`` patches spread over all, with one of every set of classes that occurs."""
    _, first = np.unique(dataset.labels, axis=0, return_index=True)
    spread = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)
    return dataset.subset(np.unique(np.concatenate([spread, first])))


def forget_peak(device: torch.device) -> None:
    """Let :func:`peak_memory` count from now on, where the system can (Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if sys.platform.startswith("linux"):
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return  # then the peak is that of the whole life of the process, an upper bound


def peak_memory() -> int:
    """The most bytes of memory that this process held at once."""
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import psutil  # type: ignore[import-untyped]  # comes with accelerate

    info: Any = psutil.Process().memory_info()
    return int(getattr(info, "peak_wset", info.rss))
