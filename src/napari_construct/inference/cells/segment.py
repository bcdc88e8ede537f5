"""Segment the cells of one image of channels."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.arrays import as_channels
from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import normalised_channel
from napari_construct.data.channels.read import read_channels
from napari_construct.data.channels.stains import NUCLEAR_STAINS, channels_showing
from napari_construct.data.inputs import ImageInput
from napari_construct.data.stored import RED_GREEN_BLUE
from napari_construct.events import Doubt, Notice, Progress, Steps, run
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.inference.cells.decide import made_by
from napari_construct.inference.cells.evidence import CellEvidence
from napari_construct.inference.cells.loading import load_cell_model
from napari_construct.inference.cells.maps import cell_map_steps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.cells import CellResult
from napari_construct.types import PathLike

_BRIGHT: Final = 0.5
"""Median over the range of values above which an image is bright-field: fluorescence is mostly dark."""

_STAINED: Final = (
    "expected fluorescence, where cells are bright on dark, got an image that is mostly bright, like a "
    "stained section; the result would not be reliable; use a model of stained sections, such as lymph-node"
)


def segment_cells(
    image: ImageInput,
    model: PathLike | CellPredictor,
    settings: CellSettings | None = None,
    *,
    mpp: float | None = None,
    name: str | None = None,
    device: str | None = None,
    progress: Progress = None,
    **changes: Any,
) -> CellResult:
    """Segment the cells of one image by a student on one channel.

    Parameters
    ----------
    image : path, ChannelImage or array
        A file; or an array (h, w), (c, h, w) or (h, w, c) of any integer or float type.
    model : str, path or CellPredictor
        What :func:`load_cell_model` takes, or what it returned (faster for several images).
    settings : CellSettings, optional
        The defaults otherwise.
    mpp : float, optional
        Micrometres per pixel of the image; by default that of the file.
    name : str, optional
        Name of the image in errors and the record; by default the file's name or "image".
    device : str, optional
        Device of the model; "auto" by default. A loaded model keeps its device.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`~napari_construct.inference.cells.settings.CellSettings`, for example
        ``channel="DAPI"`` or ``min_area=50``.

    Returns
    -------
    CellResult
        Numbered cells, mask, foreground, boundary and record.

    Raises
    ------
    InputError
        If the image cannot be read or used.
    ConfigurationError
        If settings are invalid, the channel is not clear, or a loaded model is on another device.

    Examples
    --------
    >>> from napari_construct import segment_cells
    >>> result = segment_cells("nuclei.tif", "student.construct", channel="DAPI")  # doctest: +SKIP
    >>> result.cells()["area_px"]  # doctest: +SKIP
    """
    settings = (settings or CellSettings()).changed(**changes)  # before a model is loaded
    opened = as_channel_image(image, name)
    if isinstance(model, CellPredictor):
        model.check_device(device)
        predictor = model
    else:
        predictor = load_cell_model(model, device=device or "auto")
    return run(segment_cells_steps(opened, predictor, settings, mpp=mpp, name=name), progress)


def as_channel_image(image: ImageInput, name: str | None = None) -> ChannelImage:
    """Read the channels of a file, or bring an array to (c, h, w).

    Raises
    ------
    InputError
        If the file cannot be read, or the array is no image.
    """
    if isinstance(image, ChannelImage):
        return image
    if isinstance(image, str | os.PathLike):
        return read_channels(image)
    return as_channels(image, name=name or "image")


def segment_cells_steps(
    image: ChannelImage,
    predictor: CellPredictor,
    settings: CellSettings | None = None,
    *,
    mpp: float | None = None,
    name: str | None = None,
) -> Steps[CellResult]:
    """Segment the cells of one image as a job.

    Parameters
    ----------
    image : ChannelImage
        (c, h, w) channels.
    predictor : CellPredictor
        Of :func:`~napari_construct.load_model`.
    settings : CellSettings, optional
        The defaults otherwise.
    mpp : float, optional
        Micrometres per pixel; by default that of the image. ``settings.mpp`` overrides both.
    name : str, optional
        Of the image in events, errors and records; by default its file's.

    Yields
    ------
    Event
        Stage "tiles". Closing the generator cancels within one tile.

    Raises
    ------
    InputError
        If the image cannot be used.
    ConfigurationError
        If the channel is not there, or not clear.
    """
    settings = settings or CellSettings()
    seen = yield from cell_evidence_steps(image, predictor, settings, mpp=mpp, name=name)
    return seen.cells(settings)


def cell_evidence_steps(
    image: ChannelImage,
    predictor: CellPredictor,
    settings: CellSettings,
    *,
    mpp: float | None = None,
    name: str | None = None,
) -> Steps[CellEvidence]:
    """Run the network over an image, without deciding; arguments, events and errors as above."""
    name = name or image.path.name
    _check_student(predictor)
    chosen = student_channel(image, settings.channel, name)
    plane = image.pixels[chosen]
    notices = (*image.notices, *_doubts(plane, name))
    for text in notices:
        yield Notice("tiles", 0, 0, text)
    config = predictor.checkpoint.config
    seen = normalised_channel(image, chosen, config.low, config.high)[None]
    mpp = image.mpp if mpp is None else mpp
    maps = yield from cell_map_steps(seen, predictor, settings, mpp=mpp, name=name)
    source = {
        "sha256": hashlib.sha256(np.ascontiguousarray(plane).data).hexdigest(),
        "shape": list(plane.shape),
        "channel": image.names[chosen],
    }
    return CellEvidence(maps, source, made_by(predictor), notices)


def _check_student(predictor: CellPredictor) -> None:
    """Refuse a model for several channels: it is a teacher."""
    if len(predictor.channels) > 1:
        raise ConfigurationError(
            f"{predictor.name}: expected a student on one channel, got a model for {len(predictor.channels)} "
            f"channels ({', '.join(predictor.channels)}), a teacher; distil a student from it (distill)"
        )


def student_channel(image: ChannelImage, which: int | str | None, name: str) -> int:
    """Index of the channel that a student looks at.

    Raises
    ------
    ConfigurationError
        If the channel is not there, or none is named and it is not clear which one shows nuclei.
    """
    if which is not None:
        return channel_index(image.names, which, f"{name}: channel")
    if len(image.names) == 1:
        return 0
    nuclear = channels_showing(image.names, NUCLEAR_STAINS)
    if len(nuclear) == 1:
        return nuclear[0]
    if _grey(image.pixels):
        return 0
    if image.names == RED_GREEN_BLUE and _is_bright(image.pixels.max(0)):
        raise InputError(f"{name}: {_STAINED}")
    raise ConfigurationError(
        f"{name}: expected one channel, or one that is called as a nuclear stain, got "
        f"{', '.join(image.names)}; name the channel (--channel, in Python channel)"
    )


def _grey(pixels: NDArray[Any]) -> bool:
    """Whether three colours are one."""
    return len(pixels) == 3 and bool((pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all())


def _is_bright(plane: NDArray[Any]) -> bool:
    step = max(1, min(plane.shape) // 256)
    seen = plane[::step, ::step].astype(np.float32)
    low, high = float(seen.min()), float(seen.max())
    return high > low and (float(np.median(seen)) - low) / (high - low) > _BRIGHT


def _doubts(plane: NDArray[Any], name: str) -> tuple[str, ...]:
    return (Doubt(f"{name}: {_STAINED}"),) if _is_bright(plane) else ()
