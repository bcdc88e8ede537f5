"""Segment an image.

``cam_steps`` runs the network and is expensive; ``finish`` makes the mask and is cheap. ``segment_steps``
joins them into one job for front ends. ``segment`` is that job as a plain function.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_construct.data.images import ImageFile
from napari_construct.data.inputs import ImageInput, as_image
from napari_construct.events import Event, Notice, Progress, Steps, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.cells.loading import is_cell_model
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.decision.decider import Decider, named_classes
from napari_construct.inference.decision.record import decision_notices
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.results.result import SegmentationResult
from napari_construct.settings import Chosen, Settings
from napari_construct.types import BoolMask, PathLike, RGBImage


def segment_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
    valid: BoolMask | None = None,
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
        Micrometres per pixel of the file or layer; ``settings.mpp`` overrides it.
    name : str
        Name of the image in events, errors and records.
    valid : ndarray, optional
        (h, w) bool, False where the image has no data, as :class:`~napari_construct.data.images.ImageFile`
        says: no class is there, and nothing there counts.

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
    result, _ = yield from decided_steps(image, predictor, settings, mpp=mpp, name=name, valid=valid)
    return result


def decided_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
    valid: BoolMask | None = None,
) -> Steps[tuple[SegmentationResult, Decider]]:
    """As :func:`segment_steps`, with a decider that applies other settings without the network."""
    settings = settings or SegmentSettings()
    named_classes(settings.classes, predictor.classes)  # before the work, not after it
    activation = yield from cam_steps(image, predictor, settings, mpp=mpp, name=name, valid=valid)
    decider = Decider(activation, predictor)
    result = yield from decider.steps(settings)
    for text in decision_notices(result.record, activation):
        yield Notice("refine", 1, 1, text)
    yield Event("refine", 1, 1)
    return result, decider


def segment(
    image: ImageInput,
    model: PathLike | ZeroShotSettings | Predictor | CellPredictor = DEFAULT_MODEL,
    settings: SegmentSettings | CellSettings | None = None,
    *,
    mpp: float | None = None,
    name: str | None = None,
    device: str | None = None,
    progress: Progress = None,
    **changes: Any,
) -> SegmentationResult:
    """Segment one image.

    Parameters
    ----------
    image : path or array
        A file; or an array (h, w, 3), best uint8 RGB, at least 16 pixels a side: numpy, dask, zarr, a Pillow
        image, or an xarray with axes named y, x, c in any order.
    model : str, path, ZeroShotSettings, Predictor or CellPredictor
        What :func:`load_model` takes, or what it returned (faster for several images). With a model for
        channels, such as a distilled student, this is :func:`~napari_construct.segment_cells`.
    settings : SegmentSettings or CellSettings, optional
        The defaults otherwise; the second of models for channels.
    mpp : float, optional
        Micrometres per pixel of the image; by default that of the file.
    name : str, optional
        Name of the image in errors and the record; by default the file's name or "image".
    device : str, optional
        Device of the model; "auto" by default. A loaded model keeps its device.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`~napari_construct.inference.settings.SegmentSettings`, for example
        ``views="four"`` or ``crf=None``.

    Returns
    -------
    SegmentationResult
        Mask, probabilities, CAMs, confidence and record.

    Raises
    ------
    InputError
        If the image cannot be read or used.
    ConfigurationError
        If settings are invalid or contradict the model, or a loaded model is on another device.

    Examples
    --------
    >>> from napari_construct import segment
    >>> result = segment("region.tif", model="lymph-node", mpp=0.25)  # doctest: +SKIP
    >>> result.areas()  # doctest: +SKIP
    """
    if isinstance(model, CellPredictor) or is_cell_model(model):
        chosen = _of_kind(settings, CellSettings)
        return segment_cells(
            image, model, chosen, mpp=mpp, name=name, device=device, progress=progress, **changes
        )
    checked = (_of_kind(settings, SegmentSettings) or SegmentSettings()).changed(**changes)  # before loading
    opened = as_image(image, name)
    steps = _opened_steps(
        opened,
        predictor_of(model, device),
        checked,
        mpp=opened.mpp if mpp is None else mpp,
        name=name or opened.path.name,
    )
    return run(steps, progress)


def _of_kind(settings: Settings | None, kind: type[Chosen]) -> Chosen | None:
    """Settings of the kind that a model takes."""
    if settings is None or isinstance(settings, kind):
        return settings
    raise ConfigurationError(
        f"expected {kind.__name__} for this model, got {type(settings).__name__}; give those, or leave "
        "settings out"
    )


def _opened_steps(
    opened: ImageFile, predictor: Predictor, settings: SegmentSettings, *, mpp: float | None, name: str
) -> Steps[SegmentationResult]:
    """:func:`segment_steps`, with what the reader of the image had to say."""
    for text in opened.notices:
        yield Notice("tiles", 0, 1, text)
    result = yield from segment_steps(
        opened.pixels, predictor, settings, mpp=mpp, name=name, valid=opened.valid
    )
    notices = [*opened.notices, *result.record.get("notices", ())]
    return replace(result, record={**result.record, "notices": notices})
