"""Retrain a model with corrections: what a person painted where a mask was wrong.

1. Some of the corrections are left out (:mod:`~.retraining.held_out`), and the old model looks at the images.
2. The network learns the rest: cross-entropy where pixels are painted, image-level labels of old data where
   there are some, else what the old model was sure of away from the corrections. Weights are averaged.
3. Both models are scored on the corrections that were left out.

The old model is never changed: the new one is another file, whose record says what it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Progress, Steps, merged, run
from napari_construct.export.locks import locked_file
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.teaching.retraining.job import RetrainJob
from napari_construct.teaching.retraining.scores import (
    NOTHING_LEFT_OUT,
    Difference,
    StrokeScores,
    difference_of,
    scores_of,
)
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import PathLike

__all__ = ["RetrainResult", "RetrainSettings", "retrain", "retrain_steps"]


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """A retrained model and what it is worth.

    Attributes
    ----------
    checkpoint : Checkpoint
        The new model; ``training["corrections"]`` says what it was made from.
    before, after : StrokeScores or None
        Of both models on the corrections that were left out; None where none were.
    difference : Difference or None
        After minus before, paired, with an interval; its ``words`` are one sentence.
    """

    checkpoint: Checkpoint
    before: StrokeScores | None
    after: StrokeScores | None
    difference: Difference | None

    @property
    def words(self) -> str:
        """What was shown, in one sentence."""
        return NOTHING_LEFT_OUT if self.difference is None else self.difference.words

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> RetrainResult:
        """The result that a retrained model records."""
        scores: Any = checkpoint.training.get("corrections", {}).get("scores")
        if not scores:
            return cls(checkpoint, None, None, None)
        return cls(
            checkpoint,
            scores_of(scores["before"]),
            scores_of(scores["after"]),
            difference_of(scores["difference"]),
        )


def retrain(
    model: Checkpoint | PathLike,
    corrections: Sequence[Strokes],
    settings: RetrainSettings | None = None,
    *,
    classes: ClassTable | None = None,
    replay: ImageLevelDataset | None = None,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    encoder: Encoder | None = None,
    any_encoder: bool = False,
    device: str = "auto",
    stop: Callable[[], bool] | None = None,
    progress: Progress = None,
) -> RetrainResult:
    """Retrain a model with corrections.

    Parameters
    ----------
    model : Checkpoint or path
        The old model, or its name or file. It is not changed.
    corrections : sequence of Strokes
        What was painted on which images.
    settings : RetrainSettings, optional
        Settings.
    classes : ClassTable, optional
        Classes of the painted values; by default those of the model, and none that it does not know.
    replay : ImageLevelDataset, optional
        Old data, best the model's own training patches, so that it forgets nothing.
    val : ImageLevelDataset or path, optional
        Other patches with labels, on which the result is calibrated, or a folder with ``img`` and ``mask``,
        on which it is scored.
    output : path, optional
        File of the new model, written at the end; until then a state to resume from lies beside it.
    resume : bool
        Resume an interrupted run of the same model, corrections and settings; on a CPU the result is that of
        an uninterrupted one.
    overwrite : bool
        Replace another model at ``output``; the old one is refused even then.
    encoder : Encoder, optional
        Encoder of the model, if the catalogue cannot load it.
    any_encoder : bool
        Also accept an encoder with another hash.
    device : str
        "auto", "cpu", "cuda" ...
    stop : callable, optional
        Asked after every step; once it returns True, the model is finished as it is.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    RetrainResult
        The new model, and scores before and after on the corrections that were left out.

    Raises
    ------
    ConfigurationError
        If nothing is painted, a class is painted that the model does not know, old data has other classes,
        the output is the old model, or something lies there that is neither resumed nor to be overwritten.
    InputError, DatasetError
        If an image cannot be used; the message names it.
    CheckpointError
        If ``resume`` finds nothing to resume.
    """
    steps = retrain_steps(
        model,
        corrections,
        settings,
        classes=classes,
        replay=replay,
        val=val,
        output=output,
        resume=resume,
        overwrite=overwrite,
        encoder=encoder,
        any_encoder=any_encoder,
        device=device,
        stop=stop,
    )
    return run(steps, progress)


def retrain_steps(
    model: Checkpoint | PathLike,
    corrections: Sequence[Strokes],
    settings: RetrainSettings | None = None,
    *,
    classes: ClassTable | None = None,
    replay: ImageLevelDataset | None = None,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    encoder: Encoder | None = None,
    any_encoder: bool = False,
    device: str = "auto",
    stop: Callable[[], bool] | None = None,
) -> Steps[RetrainResult]:
    """:func:`retrain` as a job.

    Yields
    ------
    Planned, StepDone, EpochDone, Resumed, Notice, Event
        ``EpochDone`` has the scores on the left-out corrections: number 0 before, number 1 after. Closing the
        generator stops after the current step; with ``output``, the state is saved.
    """
    job = RetrainJob(
        model,
        corrections,
        settings or RetrainSettings(),
        classes,
        replay,
        val,
        output,
        encoder,
        device,
        any_encoder=any_encoder,
    )
    with locked_file(job.output):
        if not (resume or overwrite):
            job.refuse_existing()
        checkpoint = yield from merged(job.steps(stop, resume=resume))
        return RetrainResult.of(checkpoint)
