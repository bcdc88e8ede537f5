"""The jobs behind Correct and retrain, without a widget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.events import Event, StepDone, Steps, planned
from napari_construct.events.duration import in_words
from napari_construct.widgets.retrain.request import RetrainRequest
from napari_construct.widgets.runs.libraries import training_libraries
from napari_construct.widgets.runs.results import Estimated, short_time

if TYPE_CHECKING:
    from napari_construct.teaching.retraining.scores import StrokeScores

_MEASURED = 3
"""Steps of an estimate; the first one is not counted."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What is known of the model whose file is written."""

    output: Path
    words: str
    before: StrokeScores | None
    after: StrokeScores | None

    def in_words(self) -> str:
        """How the run ended, in a line."""
        return f"{self.words} The new model is in {self.output}."


def load_libraries() -> None:
    """Import what a retraining and its curves need."""
    with training_libraries():
        from napari_construct.teaching import retrain  # noqa: F401 - this is the purpose


def retrain_job(request: RetrainRequest, stop: Callable[[], bool] | None = None) -> Steps[Retrained]:
    """The whole run, in the worker's thread.

    Parameters
    ----------
    request : RetrainRequest
        The run.
    stop : callable, optional
        Asked after every step; once it returns True, the run ends there and the model is finished.
    """
    yield planned("retrain")
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.teaching.retrain import retrain_steps

    result = yield from retrain_steps(
        request.model,
        request.strokes,
        request.config,
        classes=request.classes,
        replay=_old_data(request),
        output=request.output,
        resume=request.resume,
        overwrite=request.replace,
        device=request.device,
        stop=stop,
    )
    return Retrained(request.output, result.words, result.before, result.after)


def estimate_job(request: RetrainRequest) -> Steps[Estimated]:
    """Measure a few steps; nothing is written."""
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.teaching.retrain import retrain_steps

    few = request.config.changed(steps=_MEASURED, held_out=0, average_from=1)
    steps = retrain_steps(
        request.model, request.strokes, few, classes=request.classes, replay=_old_data(request),
        device=request.device,
    )  # fmt: skip
    times: list[float] = []
    for event in steps:
        if isinstance(event, StepDone):
            times.append(time.perf_counter())
            if event.done == _MEASURED:
                break
        yield event
    steps.close()
    step = (times[-1] - times[0]) / (len(times) - 1)
    whole = in_words(step * request.config.steps)
    each = short_time(step)
    return Estimated(f"About {whole} for {request.config.steps} steps ({each} each), and the scores.")


def _old_data(request: RetrainRequest) -> ImageLevelDataset | None:
    if request.replay is None:
        return None
    return load_dataset(request.replay, class_names=request.classes.names)
