"""Distil a student that sees one channel from a teacher that sees them all."""

from __future__ import annotations

from collections.abc import Callable

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.loop.setup import DistilSetup
from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.cached import TeacherCache
from napari_construct.data.cells.dataset import CellDataset
from napari_construct.events import Notice, Progress, Steps, merged, run
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint
from napari_construct.types import PathLike


def distil(
    dataset: CellDataset,
    teacher: Teacher | None = None,
    config: DistilConfig | None = None,
    *,
    val: CellDataset | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    cache: TeacherCache | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Progress = None,
) -> ChannelCheckpoint:
    """Train a one-channel student.

    Parameters
    ----------
    dataset : CellDataset
        Images of all channels, with drawn cells or without.
    teacher : Teacher, optional
        Of :func:`~napari_construct.crossmodal.teachers.load_teacher`. None trains on drawn cells alone, which
        ``config.terms`` must say: ``("truth",)``.
    config : DistilConfig, optional
        Settings.
    val : CellDataset, optional
        Images that the student is scored on; nothing is chosen by them.
    output : path, optional
        Checkpoint to write after every validation, atomically. Until the run is complete, the state for
        ``resume`` lies beside it.
    resume : bool
        Resume an interrupted run of the same settings and data. On a CPU the losses equal those of an
        uninterrupted run exactly.
    overwrite : bool
        Replace a model, or the state of an interrupted run, that lies at ``output``.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    cache : TeacherCache, optional
        Keeps what the teacher says for other runs
        (:func:`~napari_construct.crossmodal.teachers.cached.open_cache`).
    stop : callable, optional
        Asked after every step; once it returns True, training ends there and the student is finished as after
        the last step.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    ChannelCheckpoint
        The student, with its scores.

    Raises
    ------
    ConfigurationError
        If settings contradict the data or the interrupted run, or something lies at the output that is
        neither resumed nor to be overwritten.
    DatasetError, InputError
        If a file cannot be used; the message names it.
    CheckpointError
        If ``resume`` finds nothing to resume, or the output cannot be written.
    """
    steps = distil_steps(
        dataset,
        teacher,
        config,
        val=val,
        output=output,
        resume=resume,
        overwrite=overwrite,
        device=device,
        cache=cache,
        stop=stop,
    )
    return run(steps, progress)


def distil_steps(
    dataset: CellDataset,
    teacher: Teacher | None = None,
    config: DistilConfig | None = None,
    *,
    val: CellDataset | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    cache: TeacherCache | None = None,
    stop: Callable[[], bool] | None = None,
) -> Steps[ChannelCheckpoint]:
    """:func:`distil` as a job.

    Yields
    ------
    StepDone, EpochDone, Resumed, Planned, Notice, Event
        Closing the generator stops after the current step; with ``output``, the state is saved.
    """
    job = DistilSetup(dataset, teacher, config or DistilConfig(), val, output, device, cache)
    with job.locked():
        if not (resume or overwrite):
            job.refuse_existing()
        return (yield from merged(_run_steps(job, stop, resume=resume)))


def _run_steps(
    job: DistilSetup, stop: Callable[[], bool] | None, *, resume: bool
) -> Steps[ChannelCheckpoint]:
    if resume and (finished := job.finished_before()) is not None:
        return finished
    for text in job.notices:
        yield Notice("train", 0, 0, text)
    yield job.plan()
    yield from job.read()
    training = job.new_run()
    if notice := job.open_state(training, resume=resume):
        yield Notice("train", 0, 0, notice)
    if resume:
        yield training.resumed()
    try:
        while not training.finished:
            if training.step_number and stop is not None and stop():
                training.end()
            else:
                yield training.step()
            if training.round_complete:
                yield (yield from job.finish_round(training))
    except GeneratorExit:
        job.save_state(training)
        raise
    return (yield from job.complete(training))
