"""The jobs of the dock, without a widget: estimate a run, or distil."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_construct.data.cells.hold_out import hold_out
from napari_construct.events import EpochDone, Event, Steps, forward, planned
from napari_construct.events.duration import in_words
from napari_construct.events.rarely import Rarely
from napari_construct.widgets.distil.data import opened, teacher_of
from napari_construct.widgets.distil.request import DistilRequest
from napari_construct.widgets.runs.libraries import training_libraries
from napari_construct.widgets.runs.results import Estimated, short_time

if TYPE_CHECKING:  # these load torch
    from napari_construct.crossmodal.estimate import DistilEstimate
    from napari_construct.crossmodal.protocol import Teacher
    from napari_construct.data.cells.dataset import CellDataset
    from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint
    from napari_construct.widgets.distil.previews import Watched

_SCORES: Final = {
    "val_dice": "Dice",
    "val_boundary_f1": "boundary F1",
    "val_ap50": "AP50",
    "recovery": "of the teacher's Dice",
}


@dataclass(frozen=True, slots=True)
class Distilled:
    """Result of :func:`distil_job`: what is known of the model whose file is written."""

    output: Path
    metrics: Mapping[str, float]
    step: int
    steps_planned: int | None = None
    """Of a run that was stopped before its end; None of others."""

    def in_words(self) -> str:
        """How the run ended, in a line."""
        scores = [
            f"{100 * self.metrics[key]:.1f} % {words}"
            if key == "recovery"
            else f"{words} {self.metrics[key]:.3f}"
            for key, words in _SCORES.items()
            if self.metrics.get(key) is not None
        ]
        measured = f" ({', '.join(scores)} on held-out images)" if scores else ""
        early = "" if self.steps_planned is None else f" of {self.steps_planned}, stopped there"
        return f"Done: step {self.step}{early}{measured}. The model is in {self.output}."


def load_libraries() -> None:
    """Import what a distillation and its curves need."""
    with training_libraries():
        from napari_construct.crossmodal import distil  # noqa: F401 - this is the purpose


def estimate_job(request: DistilRequest) -> Steps[Estimated]:
    """What the run will take; torch is loaded here, in the worker's thread."""
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.crossmodal.estimate import estimate_distil_steps
    from napari_construct.crossmodal.teachers.cached import open_cache

    train, val, teacher = yield from _prepared(request)
    found = yield from estimate_distil_steps(
        train, teacher, request.config, val=val, device=request.device, cache=open_cache()
    )
    return Estimated(estimate_in_words(found))


def distil_job(request: DistilRequest, stop: Callable[[], bool] | None = None) -> Steps[Distilled]:
    """The whole run, in the worker's thread.

    Parameters
    ----------
    request : DistilRequest
        The run.
    stop : callable, optional
        Asked after every step; once it returns True, the run ends there and the student is finished.

    Yields
    ------
    Event
        Those of the run, and :class:`~.runs.pictures.PreviewsDone` after some of the validations.
    """
    yield planned("distil")  # what it costs is known when the images are
    yield Event("loading the libraries", 0, 1)
    load_libraries()
    from napari_construct.crossmodal.distil import distil_steps
    from napari_construct.crossmodal.teacher_view import DatasetViews
    from napari_construct.crossmodal.teachers.cached import Taught, open_cache
    from napari_construct.widgets.distil.previews import Watched

    train, val, teacher = yield from _prepared(request)
    cache, config = open_cache(), request.config
    steps = distil_steps(
        train,
        teacher,
        config,
        val=val,
        output=request.output,
        resume=request.resume,
        overwrite=request.replace,
        device=request.device,
        cache=cache,
        stop=stop,
    )
    shown = train if val is None else val
    taught = None
    if teacher is not None:
        taught = Taught(DatasetViews(shown, teacher.spec, config.teacher_channels), teacher, cache)
    checkpoint = yield from _with_previews(steps, request, Watched.of(shown, taught))
    of = checkpoint.training.get("stopped", {}).get("steps")
    return Distilled(request.output, dict(checkpoint.metrics), int(checkpoint.training["step"]), of)


def _prepared(request: DistilRequest) -> Steps[tuple[CellDataset, CellDataset | None, Teacher | None]]:
    """Images to train on, held-out ones, and the teacher."""
    yield Event("loading the teacher", 0, 1)
    whole = opened(request.images)
    teacher = teacher_of(request.teacher, whole, request.device)
    yield Event("loading the teacher", 1, 1)
    train, val = hold_out(whole, request.share)
    return train, val, teacher


def _with_previews(
    steps: Steps[ChannelCheckpoint], request: DistilRequest, watched: Watched
) -> Steps[ChannelCheckpoint]:
    """Pass a run on; after some of its validations, and at its end, look at a few images with the student.

    Pictures decide nothing: they are made as often as their time allows.
    """
    from napari_construct.widgets.distil.previews import preview_steps

    pictures, last, written = Rarely(), 0, None

    def looked_at(event: Event) -> Iterator[Event]:
        nonlocal last, written
        yield event
        if not isinstance(event, EpochDone):
            return
        last = event.epoch + 1
        now = request.output.stat().st_mtime_ns if request.output.is_file() else None
        # a model of before is replaced at the first validation; without any it is written at the end
        if now is None or not pictures.due or "dice" not in event.metrics:
            return
        with pictures.measured():
            yield (yield from preview_steps(watched, request.output, request.config, request.device, last))

    checkpoint = yield from forward(steps, looked_at)
    yield (yield from preview_steps(watched, request.output, request.config, request.device, last))
    return checkpoint


def estimate_in_words(estimate: DistilEstimate) -> str:
    """What a run will take, in a line."""
    held = f", {estimate.scored} held out" if estimate.scored else ""
    teacher = f"; the teacher takes {short_time(estimate.teacher_seconds)} an image" * (
        estimate.teacher_seconds >= 0.05
    )
    return (
        f"About {in_words(estimate.seconds)}: {estimate.steps} steps of {short_time(estimate.step_seconds)}, "
        f"{estimate.views} views of {estimate.images} images{held}{teacher}."
    )
