"""Training with image-level labels, from a dataset to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, Progress, Steps, merged, run
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.assemble import assemble_run
from napari_construct.training.loop.setup import TrainingSetup
from napari_construct.types import PathLike


def train(
    dataset: ImageLevelDataset,
    config: TrainingConfig | None = None,
    *,
    classes: ClassTable | None = None,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    encoder: Encoder | None = None,
    teacher: Encoder | None = None,
    start: Float[Tensor, "k p d"] | None = None,
    device: str = "auto",
    stop: Callable[[], bool] | None = None,
    progress: Progress = None,
) -> Checkpoint:
    """Train a model on patches with image-level labels.

    Under ``accelerate launch`` (or ``torchrun``) every process runs this function with the same arguments;
    they share the batches, and the main process alone validates and writes.

    Parameters
    ----------
    dataset : ImageLevelDataset
        The patches.
    config : TrainingConfig, optional
        Settings; by default those of the ``construct`` preset.
    classes : ClassTable, optional
        Names, prompts and colours, one per class of the dataset and in its order.
    val : ImageLevelDataset or path, optional
        Validation data: patches with labels, or a folder with ``img`` and ``mask``.
    output : path, optional
        Checkpoint to write after every validation, atomically. Until the run is complete, the state for
        ``resume`` lies beside it.
    resume : bool
        Resume an interrupted run of the same settings and data. On a CPU the losses equal those of an
        uninterrupted run exactly.
    overwrite : bool
        Replace a model, or the state of an interrupted run, that lies at ``output``.
    encoder, teacher : Encoder, optional
        Replaces the catalogue's, for example with the user's own weights.
    start : Tensor, optional
        (k, p, d) start of the prototypes; ``config.prototype_start`` decides by default.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    stop : callable, optional
        Asked after every step, for example ``threading.Event().is_set``. Once it returns True, training ends
        there and the model is finished as after the last epoch: weights averaged where averaging has begun,
        validated, calibrated. ``training["stopped"]`` of the checkpoint says after which step. There is no
        state to resume from, then; with ``resume``, an interrupted run is so finished as it is.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    Checkpoint
        Calibrated; of the last epoch, or of the best one (``config.keep``).

    Raises
    ------
    ConfigurationError
        If settings contradict each other, the data, or the interrupted run, if another training writes the
        output, or something lies there that is neither resumed nor to be overwritten.
    DatasetError, InputError
        If a file cannot be used; the message names it.
    CheckpointError
        If ``resume`` finds nothing to resume, or the output cannot be written.
    """
    steps = train_steps(
        dataset,
        config,
        classes=classes,
        val=val,
        output=output,
        resume=resume,
        overwrite=overwrite,
        encoder=encoder,
        teacher=teacher,
        start=start,
        device=device,
        stop=stop,
    )
    return run(steps, progress)


def train_steps(
    dataset: ImageLevelDataset,
    config: TrainingConfig | None = None,
    *,
    classes: ClassTable | None = None,
    val: ImageLevelDataset | PathLike | None = None,
    output: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    encoder: Encoder | None = None,
    teacher: Encoder | None = None,
    start: Float[Tensor, "k p d"] | None = None,
    device: str = "auto",
    stop: Callable[[], bool] | None = None,
) -> Steps[Checkpoint]:
    """:func:`train` as a job.

    Yields
    ------
    StepDone, EpochDone, Resumed, Planned, Notice, Event
        Closing the generator stops after the current step; with ``output``, the state is saved.
    """
    job = TrainingSetup(dataset, config or TrainingConfig(), classes, val, output, encoder, teacher, device)
    with job.locked():
        if not (resume or overwrite):
            job.refuse_existing()
        return (yield from merged(_run_steps(job, start, stop, resume=resume)))


def _run_steps(
    job: TrainingSetup,
    start: Float[Tensor, "k p d"] | None,
    stop: Callable[[], bool] | None,
    *,
    resume: bool,
) -> Steps[Checkpoint]:
    if resume and (finished := job.finished_before()) is not None:
        return finished
    for text in (*job.dataset.notices, *job.notices):
        yield Notice("train", 0, 0, text)
    patches = yield from job.read()
    for text in patches.view.notices:
        yield Notice("train", 0, 0, text)
    yield job.schedule.plan()
    training = yield from assemble_run(job, start, resume=resume)
    if notice := job.open_state(training, resume=resume):
        yield Notice("train", 0, 0, notice)
    if resume:
        yield job.schedule.plan(training.progress.epoch)
        yield training.resumed()
    try:
        while not training.finished:
            if training.progress.step_in_epoch and job.processes.agreed(stop, job.device):
                yield from job.end(training)
                break
            if training.pseudo_labels_due:
                yield from training.make_pseudo_labels()
            if training.progress.step_in_epoch < training.steps_per_epoch:
                yield training.step()
            else:
                yield (yield from job.finish_epoch(training))
    except GeneratorExit:
        job.save_state(training)
        raise
    if notice := job.stopped_notice(training):
        yield Notice("train", 0, 0, notice)
    return (yield from job.complete(training))
