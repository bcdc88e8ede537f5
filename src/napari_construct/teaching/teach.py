"""Teach a model by example, from Python."""

from __future__ import annotations

from collections.abc import Sequence

from napari_construct.events import Progress, Steps, run
from napari_construct.export.locks import locked_file
from napari_construct.models.checkpoints.checkpoint import Checkpoint, save_checkpoint
from napari_construct.models.checkpoints.locations import refuse_existing, with_suffix
from napari_construct.teaching.deeper import deeper_steps
from napari_construct.teaching.session import TeachSession
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import PathLike, RGBImage
from napari_construct.whole_files import remove_partials


def teach(
    strokes: Sequence[Strokes],
    settings: TeachSettings,
    *,
    images: Sequence[tuple[RGBImage, float | None]] = (),
    output: PathLike | None = None,
    overwrite: bool = False,
    device: str = "auto",
    encoder_weights: PathLike | None = None,
    any_encoder: bool = False,
    progress: Progress = None,
) -> Checkpoint:
    """Teach a model by strokes on images.

    Parameters
    ----------
    strokes : sequence of Strokes
        What was painted, one for each image or part of a slide.
    settings : TeachSettings
        Classes, start, and how it is learned.
    images : sequence of (image, mpp)
        Others of the same source, without strokes: the deeper training also learns from what it is sure of
        there, and takes statistics from them.
    output : path, optional
        Checkpoint to write.
    overwrite : bool
        Replace a model that lies at ``output``.
    device : str
        "auto", "cpu", "cuda" ...
    encoder_weights : path, optional
        File of the encoder's weights, for an encoder whose weights you must get yourself.
    any_encoder : bool
        Also start from a model whose encoder has another hash.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    Checkpoint
        A model like any other.

    Raises
    ------
    InputError
        If too few classes were painted, or a painted value is that of no class.
    ConfigurationError
        If something lies at ``output`` that is not to be overwritten.
    CheckpointError, EncoderError
        If the start cannot be loaded.
    """
    steps = teach_steps(
        strokes,
        settings,
        images=images,
        output=output,
        overwrite=overwrite,
        device=device,
        encoder_weights=encoder_weights,
        any_encoder=any_encoder,
    )
    return run(steps, progress)


def teach_steps(
    strokes: Sequence[Strokes],
    settings: TeachSettings,
    *,
    images: Sequence[tuple[RGBImage, float | None]] = (),
    output: PathLike | None = None,
    overwrite: bool = False,
    device: str = "auto",
    encoder_weights: PathLike | None = None,
    any_encoder: bool = False,
) -> Steps[Checkpoint]:
    """:func:`teach` as a job.

    Yields
    ------
    Event
        Stages "features", "fit" and "score"; to learn deeper those of
        :func:`~napari_construct.teaching.deeper.deeper_steps`.
    """
    target = None if output is None else with_suffix(output)
    with locked_file(target):
        if target is not None and not overwrite:
            refuse_existing(target)
        session = TeachSession(settings, device, encoder_weights=encoder_weights, any_encoder=any_encoder)
        for number, one in enumerate(strokes):
            session.put(str(number), one)
        taught = yield from session.fit_steps()
        if settings.deeper:
            checkpoint = yield from deeper_steps(session, taught, images)
        else:
            checkpoint = taught.scored((yield from session.score_steps()))
        if target is not None:
            remove_partials(target)
            save_checkpoint(target, checkpoint)
        return checkpoint
