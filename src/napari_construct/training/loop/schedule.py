r"""When a run validates, and what its parts cost: known before the first step, from numbers alone.

Validations may decide which weights are kept and when training stops, so no clock has a say in them: the
same run validates after the same epochs everywhere. What a validation and a step cost is therefore not
measured but counted, in passes of the network over one patch without gradient:

.. math:: v = 2.5 \, n_{norms} b + p + c + 8 \, a, \qquad s = g \, b

with batches of b patches, p patches on sheets, c patches that calibrate, images as large as a patches that
are scored (tiles overlap, and each pixel is decided several times), and g passes for a patch of a step with
views, gradient and teacher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from napari_construct.events import Event, Notice, Part, Phase, Planned, Result, Steps, forward
from napari_construct.training.calibration.guard import MOST_PATCHES as GUARDED
from napari_construct.training.calibration.guard import STAGE as GUARD
from napari_construct.training.calibration.guard import VIEWS as GUARD_VIEWS
from napari_construct.training.calibration.guard_validation import MOST_IMAGES as WATCHED
from napari_construct.training.calibration.guard_validation import STAGE as LIMITS
from napari_construct.training.calibration.mask_choices import MOST as MOST_CHOSEN
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.image_statistics import STAGE as STATISTICS
from napari_construct.training.views.patches import PatchView, usual_size

SHARE: Final = 0.06
"""Share of a run that its validations should take."""

LEAST_DECIDING: Final = 10
"""Validations of a run in which they decide something: fewer give no choice."""

EARLY: Final = 0.02
"""Share of the epochs after which the first validation comes, so that there is something to see."""

_STEP: Final = 6.0
_FROZEN_STEP: Final = 3.0
_CACHED_STEP: Final = 1.0
_VIEW: Final = 2.5
_SCORED: Final = 8.0

TRAIN: Final = "train"
AVERAGE: Final = "average"
CALIBRATE: Final = "calibrate"
VALIDATE: Final = "validate"
LAST_AVERAGE: Final = "last average"
LAST_STATISTICS: Final = "last statistics"
FIT: Final = "calibrate on masks"
CHOICE: Final = "choose views and CRF"
REFIT: Final = "calibrate again"
"""Stages of a run."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a run validates, and what its parts cost in passes of the network over a patch.

    Attributes
    ----------
    epochs, steps : int
        Of the whole run.
    step, norms, sheets, calibration : float
        Cost of a step; of the batch statistics of views and of sheets and the calibration of a validation.
    images : int
        Images with masks.
    area : float
        Of these images in patches, as the network sees both.
    config : TrainingConfig
        The settings.
    """

    epochs: int
    steps: int
    step: float
    norms: float
    sheets: float
    calibration: float
    images: int
    area: float
    config: TrainingConfig

    @property
    def scores(self) -> float:
        """Cost of the scored images of a validation."""
        return self.area * _SCORED

    @classmethod
    def of_run(
        cls,
        config: TrainingConfig,
        steps_per_epoch: int,
        *,
        calibrated: int,
        sheets: float = 0.0,
        images: int = 0,
        area: float = 0.0,
    ) -> Schedule:
        """Count the costs.

        Parameters
        ----------
        config : TrainingConfig
            The settings, with the encoder's learning rate settled.
        steps_per_epoch : int
            Steps of an epoch.
        calibrated : int
            Patches that calibrate.
        sheets : float
            Area of the sheets in patches.
        images, area : int, float
            Images with masks, and their area.
        """
        epochs, cached = config.epochs_of(steps_per_epoch), config.feature_cache
        trained = config.encoder_learning_rate is not None
        step = _STEP if trained else _CACHED_STEP if cached else _FROZEN_STEP
        batches = 0 if config.average_from is None else min(config.norm_batches, epochs * steps_per_epoch)
        return cls(
            epochs,
            epochs * steps_per_epoch,
            float(config.batch_size * step),
            float(batches * config.batch_size * (_CACHED_STEP if cached else _VIEW)),
            sheets,
            float(calibrated),
            images,
            area,
            config,
        )

    @property
    def validated(self) -> frozenset[int]:
        """Epochs, counted from 1, after which the run validates; the last one always.

        With ``validate_every="auto"`` there are as many, at equal intervals, as take :data:`SHARE` of the
        run: at least an early one and the last, and where validations decide something
        :data:`LEAST_DECIDING`.
        """
        every, epochs = self.config.validate_every, self.epochs
        if every != "auto":
            return frozenset({*range(every, epochs + 1, every), epochs})
        each = max(sum(part.weight for part in self._validation()), 1.0)
        paid = int(SHARE / (1 - SHARE) * self.steps * self.step / each)
        interval = math.ceil(epochs / max(paid - 1, 1))
        if self.config.keeps_best:
            interval = min(interval, max(epochs // LEAST_DECIDING, 1))
        return frozenset({math.ceil(EARLY * epochs), *range(interval, epochs + 1, interval), epochs})

    def plan(self, done: int = 0) -> Scheduled:
        """What the run will do after so many finished epochs; events say how many steps are done."""
        left = sum(epoch > done for epoch in self.validated)
        return self._planned(
            Phase((Part(TRAIN, self.steps * self.step),)),
            Phase(self._validation(), left, during=True),
            Phase(self._end()),
        )

    def ending(self) -> Scheduled:
        """What a run will do that takes no more steps."""
        return self._planned(Phase(self._validation()), Phase(self._end()))

    def _validation(self) -> tuple[Part, ...]:
        return _costly(
            Part(AVERAGE, self.norms),
            Part(STATISTICS, self.sheets),
            Part(CALIBRATE, self.calibration),
            Part(VALIDATE, self.scores),
        )

    def _end(self) -> tuple[Part, ...]:
        last = Part(LAST_AVERAGE, self.norms), Part(LAST_STATISTICS, self.sheets)
        guard = Part(GUARD, guard_cost(self.calibration))
        # of validation patches there are few passes beside those of the guard
        limits = Part(LIMITS, self.scores * min(self.images, WATCHED) / max(self.images, 1), like=VALIDATE)
        if not self.images or not self.config.calibrate_on_masks:
            return _costly(*last, guard, limits)
        chosen = min(self.images, MOST_CHOSEN) / self.images
        weights = {FIT: 0.5, CHOICE: 4 * chosen, REFIT: 0.5}  # the last one if views change
        scored = (Part(stage, weight * self.scores, like=VALIDATE) for stage, weight in weights.items())
        return _costly(*last, *scored, guard, limits)

    def _planned(self, *phases: Phase) -> Scheduled:
        job = f"train {self.config.model.encoder} {self.config.model.teacher}"
        return Scheduled("planned", 0, 0, job=job, phases=phases, schedule=self)


@dataclass(frozen=True, slots=True)
class Scheduled(Planned):
    """The plan of a run, with the schedule that it comes from."""

    schedule: Schedule = field(kw_only=True)


def guard_cost(patches: float) -> float:
    """Cost of the guard of a run on so many patches."""
    return float(GUARD_VIEWS * min(patches, GUARDED))


def _costly(*parts: Part) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.weight)


def image_area(pairs: Sequence[tuple[Path, Path]], view: PatchView) -> float:
    """Area of images with masks in patches, as the network sees both; a few are read for their usual size."""
    if not pairs:
        return 0.0
    height, width = usual_size([image for image, _ in pairs], look_at=3)
    return len(pairs) * height * width * (view.scale / view.size) ** 2


def named(steps: Steps[Result], stage: str) -> Steps[Result]:
    """The same job as another stage of a run."""
    return forward(steps, lambda event: (replace(event, stage=stage),))


def fit_told(steps: Steps[Result], images: int) -> Steps[Result]:
    """The last calibration on masks as stages: all images, the choice of views and CRF on a few, all again.

    The last one comes only where other views were chosen.

    Tiles are told as parts of their image, so that stages go on rather than begin anew with every image.
    """
    looks, total = 0, 2 * min(images, MOST_CHOSEN)
    at = Event(FIT, 0, images)

    def told(event: Event) -> Iterator[Event]:
        nonlocal looks, at
        if isinstance(event, Notice):
            yield event
            return
        if event.stage == CALIBRATE:
            at = replace(event, stage=REFIT if at.stage in (CHOICE, REFIT) else FIT)
        elif at.stage == CHOICE or (at.stage == FIT and at.done >= at.total):
            looks += event.done >= event.total > 0
            at = Event(CHOICE, min(looks, total), total)
        yield at

    return forward(steps, told)
