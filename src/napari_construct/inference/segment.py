"""Any image in, a mask out: the door to this room.

``cam_steps`` is expensive and runs the network; ``finish`` is cheap and decides. ``segment_steps``
joins them into one job for front ends, and ``segment`` is that job as a plain function.
"""

from __future__ import annotations

from typing import Any

from napari_construct.events import Event, Steps, run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import Decider, named_classes
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.locations import DEFAULT_MODEL
from napari_construct.results.result import SegmentationResult
from napari_construct.types import PathLike, RGBImage


def segment_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[SegmentationResult]:
    """Segment one image as a job.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    predictor : Predictor
        Of :func:`load_model`.
    settings : SegmentSettings, optional
        The defaults otherwise.
    mpp : float, optional
        Micrometres per pixel as the file or layer says; ``settings.mpp`` goes before it.
    name : str
        What events, errors and records call the image.

    Yields
    ------
    Event
        Stages "tiles" and "refine". Closing the generator cancels within one tile or step of refinement.

    Returns
    -------
    SegmentationResult
        Arrays of the size of the image.

    Raises
    ------
    InputError
        If the image cannot be used.
    ConfigurationError
        If settings contradict the model.
    """
    result, _ = yield from decided_steps(image, predictor, settings, mpp=mpp, name=name)
    return result


def decided_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
) -> Steps[tuple[SegmentationResult, Decider]]:
    """As :func:`segment_steps`, and with what other settings can be tried on without the network."""
    settings = settings or SegmentSettings()
    named_classes(settings.classes, predictor.classes)  # before the work, not after it
    activation = yield from cam_steps(image, predictor, settings, mpp=mpp, name=name)
    decider = Decider(activation, predictor)
    result = yield from decider.steps(settings)
    yield Event("refine", 1, 1)
    return result, decider


def segment(
    image: RGBImage,
    model: PathLike | ZeroShotSettings | Predictor = DEFAULT_MODEL,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
    device: str | None = None,
    **changes: Any,
) -> SegmentationResult:
    """Segment one image.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    model : str, path, ZeroShotSettings or Predictor
        What :func:`load_model` takes, or what it returned (faster for several images).
    settings : SegmentSettings, optional
        The defaults otherwise.
    mpp : float, optional
        Micrometres per pixel of the image.
    name : str
        What errors and the record call the image.
    device : str, optional
        Where the model is loaded; "auto" otherwise. A loaded model stays where it is.
    **changes
        Fields of :class:`~napari_construct.inference.settings.SegmentSettings`, for example
        ``views="four"`` or ``crf=None``.

    Returns
    -------
    SegmentationResult
        Mask, probabilities, CAMs, confidence, and the record of what was done.

    Raises
    ------
    ConfigurationError
        If settings are impossible or contradict the model, or a loaded model is on another device.

    Examples
    --------
    >>> from napari_construct import segment
    >>> result = segment(image, model="lymph-node", mpp=0.25)  # doctest: +SKIP
    >>> result.areas()  # doctest: +SKIP
    """
    settings = (settings or SegmentSettings()).changed(**changes)  # before a model is loaded
    return run(segment_steps(image, predictor_of(model, device), settings, mpp=mpp, name=name))
