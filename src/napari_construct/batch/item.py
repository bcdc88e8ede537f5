"""One image or slide of a batch, from its file to the files of its result."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.batch.entries import Area, Entry
from napari_construct.batch.ledger import MAX_ERROR, MAX_WARNINGS
from napari_construct.batch.resume import Earlier, set_aside
from napari_construct.batch.slides import make_room, paths_of
from napari_construct.batch.sources import Source
from napari_construct.batch.work import Work, check_read
from napari_construct.data.slides.slide import Slide
from napari_construct.events import Doubt, Event, Notice, Steps, forward
from napari_construct.exceptions import ConstructError
from napari_construct.export.digests import digest
from napari_construct.inference.activation.resample import model_factor
from napari_construct.reading.names import shown
from napari_construct.results.files import write_result

_FAILURES: Final = (
    ConstructError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
)

_MEASURES: Final = ("class", "pixels", "percent_of_tissue", "mm2")


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of an image or slide; the fields are those of :class:`~.entries.Entry`."""

    files: Mapping[str, Path]
    areas: tuple[Area, ...]
    warnings: tuple[str, ...]
    tissue_pixels: int | None
    mm2_per_pixel: float | None
    looked_at: int


def item_steps(
    source: Source, work: Work, output: Path, place: tuple[int, int], earlier: Earlier, *, overwrite: bool
) -> Steps[Entry]:
    """Read, segment and write an image, or open a slide and segment it out of core.

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
    earlier : Earlier
        What an earlier run left; damaged files are put aside.
    overwrite : bool
        Also replace files that napari-construct did not make.

    Returns
    -------
    Entry
        Done or failed, for the ledger.
    """
    started = time.perf_counter()
    try:
        for path in earlier.damaged:
            set_aside(path)
        fingerprint = source.fingerprint()
        made = yield from _made_steps(source, work, output, place, overwrite=overwrite)
        digests = {kind: digest(path) for kind, path in made.files.items()}
    except _FAILURES as error:
        return Entry(
            source.key,
            source.stem,
            "failed",
            error=_one_line(error)[:MAX_ERROR],
            seconds=time.perf_counter() - started,
        )
    return Entry(
        source.key,
        source.stem,
        "done",
        files={kind: path.relative_to(output).as_posix() for kind, path in made.files.items()},
        areas=made.areas,
        fingerprint=fingerprint,
        seconds=time.perf_counter() - started,
        sizes={kind: found.size for kind, found in digests.items()},
        sha256={kind: found.sha256 for kind, found in digests.items()},
        warnings=tuple(shown(str(text))[:MAX_ERROR] for text in dict.fromkeys(made.warnings))[:MAX_WARNINGS],
        tissue_pixels=made.tissue_pixels,
        mm2_per_pixel=made.mm2_per_pixel,
        looked_at=made.looked_at,
    )


def _made_steps(
    source: Source, work: Work, output: Path, place: tuple[int, int], *, overwrite: bool
) -> Steps[_Made]:
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
    return _Made(
        files,
        work.areas(result),
        tuple(text for text in noticed if isinstance(text, Doubt)),
        result.tissue_pixels,
        None if result.mpp is None else result.mpp**2 * 1e-6,
        round(math.prod(result.labels.shape[-2:]) * model_factor(result.mpp, work.mpp, work.scale) ** 2),
    )


def _slide_steps(slide: Slide, source: Source, work: Work, output: Path, *, overwrite: bool) -> Steps[_Made]:
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
    return _Made(
        {kind: path for kind, path in paths.items() if path.exists()},
        tuple({key: area[key] for key in _MEASURES if key in area} for area in result.areas),
        tuple(doubts),
        record["tissue_pixels"],
        None if mpp is None else math.prod(mpp) * 1e-6,
        int(record["tiles"]) * (settings.tile - settings.overlap) ** 2,
    )


def _one_line(error: BaseException) -> str:
    text = shown(" ".join(str(error).split()))
    return text if isinstance(error, ConstructError) else f"{type(error).__name__}: {text}".rstrip(": ")
