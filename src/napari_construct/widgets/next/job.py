"""Ranks the regions of a mask, and makes a small picture of each, in the worker's thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari.layers import Labels

from napari_construct.data.slides.slide import Slide
from napari_construct.events import Event, Steps
from napari_construct.labelling.queue.queue import RegionQueue
from napari_construct.labelling.queue.regions import Region
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.types import RGBImage
from napari_construct.widgets.files.stored_pyramid import PYRAMID
from napari_construct.widgets.layers import METADATA_KEY, Decided, evidence, image_of, slide_of

PICTURE: Final = 72
"""Pixels a side."""


@dataclass(frozen=True, slots=True, eq=False)
class RankRequest:
    """What is ranked.

    Attributes
    ----------
    decided : Decided or None
        The evidence of a mask of this session.
    pyramid : Path or None
        A stored slide result, in place of it.
    slide : Slide or None
        The slide of that.
    settings : QueueSettings
        How.
    known : tuple of Region
        What was looked at already.
    device : str
        Of the encoder.
    """

    decided: Decided | None
    pyramid: Path | None
    slide: Slide | None
    settings: QueueSettings
    known: tuple[Region, ...] = ()
    device: str = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The queue, and a picture of each region; none where the image is not here."""

    queue: RegionQueue
    pictures: tuple[RGBImage | None, ...]


def can_be_ranked(layer: Any) -> bool:
    """Whether a layer is a mask of Segment of one plane, or a stored one of a slide."""
    if not isinstance(layer, Labels) or layer.ndim != 2:
        return False
    return evidence(layer) is not None or PYRAMID in layer.metadata.get(METADATA_KEY, {})


def rank_request(
    mask: Any, layers: Iterable[Any], settings: QueueSettings, known: tuple[Region, ...], device: str
) -> RankRequest:
    """The request of a mask, with the slide of its image where that is open."""
    decided = evidence(mask)
    if decided is not None:
        return RankRequest(decided, None, None, settings, known, device)
    path = Path(mask.metadata[METADATA_KEY][PYRAMID])
    image = image_of(mask, layers)
    slide = None if image is None else slide_of(image)
    return RankRequest(None, path, slide, settings, known, device)


def rank_job(request: RankRequest) -> Steps[Ranked]:
    """Rank, then read the pictures.

    Raises
    ------
    InputError
        If the result has no probabilities, or no region has enough tissue.
    """
    from napari_construct.labelling.queue.evidence import of_activation_steps, of_result
    from napari_construct.labelling.queue.rank import rank_steps

    if request.decided is not None:
        found = yield from of_activation_steps(request.decided.activation, request.decided.predictor)
    else:
        found = of_result(request.pyramid, request.slide)
    queue = yield from rank_steps([found], request.settings, known=request.known, device=request.device)
    pictures: list[RGBImage | None] = []
    for number, one in enumerate(queue):
        yield Event("pictures", number, len(queue))
        read = found.pixels
        pictures.append(read and read(one.row, one.column, one.height, one.width, PICTURE))
    return Ranked(queue, tuple(pictures))
