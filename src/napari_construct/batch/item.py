"""One image or slide of a batch, from its file to the files of its result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.batch.entries import Area
from napari_construct.batch.slides import make_room, paths_of
from napari_construct.batch.sources import Source
from napari_construct.batch.work import Work, check_read
from napari_construct.data.slides.slide import Slide
from napari_construct.events import Doubt, Event, Notice, Steps, forward
from napari_construct.inference.activation.resample import model_factor
from napari_construct.results.files import write_result

_MEASURES: Final = ("class", "pixels", "percent_of_tissue", "mm2")


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an image or slide; the fields are those of :class:`~.entries.Entry`."""

    files: Mapping[str, Path]
    areas: tuple[Area, ...]
    warnings: tuple[str, ...]
    tissue_pixels: int | None
    mm2_per_pixel: float | None
    looked_at: int


def item_steps(
    source: Source, work: Work, output: Path, place: tuple[int, int], *, overwrite: bool
) -> Steps[Made]:
    """Read, segment and write an image; or open a slide and segment it out of core.

    Parameters
    ----------
    source : Source
        What is read.
    work : Work
        Model and settings.
    output : Path
        Folder of the results.
    place : tuple of int
        How many of how many are done, for notices.
    overwrite : bool
        Also replace files that napari-construct did not make.
    """
    image = source.read()
    if isinstance(image, Slide):
        with image:
            return (yield from _slide_steps(image, source, work, output, overwrite=overwrite))
    check_read(image, work)
    for text in image.notices:
        yield Notice("images", *place, text)
    result = yield from work.steps(image, source.stem)
    yield Event("writing", 0, 1, source.stem)
    folder, stem = (output / source.stem).parent, Path(source.stem).name
    kinds = work.settings.outputs
    files = write_result(
        folder, stem, work.shown(image, result), result, image.notices, kinds, overwrite=overwrite
    )
    noticed = (*image.notices, *result.record.get("notices", ()))
    return Made(
        files,
        work.areas(result),
        tuple(text for text in noticed if isinstance(text, Doubt)),
        result.tissue_pixels,
        None if result.mpp is None else result.mpp**2 * 1e-6,
        round(math.prod(result.labels.shape[-2:]) * model_factor(result.mpp, work.mpp, work.scale) ** 2),
    )


def _slide_steps(slide: Slide, source: Source, work: Work, output: Path, *, overwrite: bool) -> Steps[Made]:
    paths = paths_of(source, output, work.settings.outputs)
    if overwrite:
        make_room(paths.values())
    doubts: list[str] = []

    def noted(event: Event) -> Sequence[Event]:
        if isinstance(event, Notice) and isinstance(event.message, Doubt):
            doubts.append(event.message)
        return (event,)

    folder, stem = (output / source.stem).parent, Path(source.stem).name
    result = yield from forward(work.slide_steps(slide, folder, stem), noted)
    record, settings = result.record, work.settings.segment
    mpp = record.get("mpp_of_labels")
    return Made(
        {kind: path for kind, path in paths.items() if path.exists()},
        tuple({key: area[key] for key in _MEASURES if key in area} for area in result.areas),
        tuple(doubts),
        record["tissue_pixels"],
        None if mpp is None else math.prod(mpp) * 1e-6,
        int(record["tiles"]) * (settings.tile - settings.overlap) ** 2,
    )
