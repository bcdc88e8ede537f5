"""Segment the cells of one image of channels."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.events import Doubt, Notice, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.cells.decide import decide_cells
from napari_construct.inference.cells.maps import cell_map_steps
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.cells import CellResult
from napari_construct.types import FloatArray

NUCLEAR_STAINS: Final = (
    "dapi",
    "hoechst",
    "nuclear",
    "nuclei",
    "nucleus",
    "dna",
    "draq5",
    "syto",
    "h3",
    "hh3",
    "histone",
)
"""Parts of the names of channels that show nuclei."""

_BRIGHT: Final = 0.6
"""Median over the range of values above which an image is bright-field: fluorescence is mostly dark."""


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
    settings, name = settings or CellSettings(), name or image.path.name
    chosen = student_channel(image, settings.channel, name)
    plane = image.pixels[chosen]
    notices = (*image.notices, *_doubts(image, plane, name))
    for text in notices:
        yield Notice("tiles", 0, 0, text)
    config = predictor.checkpoint.config
    seen = percentile_normalised(plane, config.low, config.high)[None]
    mpp = image.mpp if mpp is None else mpp
    maps = yield from cell_map_steps(seen, predictor, settings, mpp=mpp, name=name)
    source = {
        "sha256": hashlib.sha256(np.ascontiguousarray(plane).data).hexdigest(),
        "shape": list(plane.shape),
        "channel": image.names[chosen],
    }
    return decide_cells(maps, predictor, settings, source=source, notices=notices)


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
    nuclear = [
        i for i, one in enumerate(image.names) if any(stain in one.casefold() for stain in NUCLEAR_STAINS)
    ]
    if len(nuclear) == 1:
        return nuclear[0]
    if _grey(image.pixels):
        return 0
    raise ConfigurationError(
        f"{name}: expected one channel, or one that is called as a nuclear stain, got "
        f"{', '.join(image.names)}; name the channel (--channel, in Python channel)"
    )


def _grey(pixels: NDArray[Any]) -> bool:
    """Whether three colours are one."""
    return len(pixels) == 3 and bool((pixels[0] == pixels[1]).all() and (pixels[0] == pixels[2]).all())


def _doubts(image: ChannelImage, plane: NDArray[Any], name: str) -> tuple[str, ...]:
    step = max(1, min(plane.shape) // 256)
    seen: FloatArray = plane[::step, ::step].astype(np.float32)
    low, high = float(seen.min()), float(seen.max())
    if high <= low or (float(np.median(seen)) - low) / (high - low) < _BRIGHT:
        return ()
    coloured = (
        " and has the colours of a stained section" if image.names[:3] == ("red", "green", "blue") else ""
    )
    said = (
        f"{name}: the image is bright{coloured}; this model was trained on fluorescence, where cells are "
        "bright on dark, so the result is not reliable; use a model of stained sections, such as lymph-node"
    )
    return (Doubt(said),)
