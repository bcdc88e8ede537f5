"""What a batch would do, without doing it: nothing is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from napari_construct.batch.entries import Entry
from napari_construct.batch.extents import Extent, extent_of
from napari_construct.batch.ledger import Ledger
from napari_construct.batch.plan import Plan, plan_of
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.share import Share
from napari_construct.batch.slides import paths_of
from napari_construct.batch.sources import Source
from napari_construct.batch.work import work_of
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.slides.overview import overview_of, tissue_on
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.events import Doubt, Event, Notice, Steps
from napari_construct.events.duration import in_words
from napari_construct.exceptions import ConstructError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.locks import held_by
from napari_construct.export.own_files import is_pyramid
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import plan_tiles
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.overview import any_in
from napari_construct.inference.slides.pixels import model_pixels

Action: TypeAlias = Literal["segment", "go on", "skip", "fail"]

_FAILURES: Final = (ConstructError, *METADATA_ERRORS)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done with one image or slide.

    Attributes
    ----------
    key : str
        Name in the ledger.
    kind : str
        "image", "slide" or "plane 2 of 5".
    action : str
        "segment"; "go on" inside a slide that a run has begun; "skip" what is done; "fail".
    why : str
        Why it is skipped, done again or cannot be done.
    extent : Extent or None
        Format, shape and resolution; None where they are not known without reading pixels.
    tiles, tissue_tiles : int or None
        Tiles of a slide, and those of them with tissue.
    looked_at : float
        Pixels at the model's resolution that the network would look at.
    seconds : float or None
        Expected time, from what the ledger knows of others; None without any.
    """

    key: str
    kind: str
    action: Action
    why: str = ""
    extent: Extent | None = None
    tiles: int | None = None
    tissue_tiles: int | None = None
    looked_at: float = 0.0
    seconds: float | None = None

    def __str__(self) -> str:
        said = [f"{self.action}: {self.key} ({self.kind}"]
        if self.extent is not None:
            rows, columns = self.extent.shape
            said += [self.extent.format] * bool(self.extent.format)
            said.append(f"{rows} x {columns} pixels")
            said.append("mpp unknown" if self.extent.mpp is None else _size(self.extent.mpp))
        if self.tissue_tiles is not None:
            said.append(f"{self.tissue_tiles} of {self.tiles} tiles with tissue")
        if self.seconds is not None:
            said.append(f"about {in_words(self.seconds)}")
        return ", ".join(said) + ")" + (f"; {self.why}" if self.why else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        extent = self.extent
        return {
            "item": self.key,
            "kind": self.kind,
            "action": self.action,
            "why": self.why,
            "format": extent.format if extent else "",
            "shape": list(extent.shape) if extent else None,
            "mpp": list(extent.mpp) if extent and extent.mpp else None,
            "tiles": self.tiles,
            "tiles_with_tissue": self.tissue_tiles,
            "seconds": self.seconds,
        }


def preview_steps(
    sources: Sequence[Source],
    predictor: Predictor | CellPredictor,
    settings: BatchSettings,
    output: Path,
    *,
    restart: bool = False,
    overwrite: bool = False,
    share: Share | None = None,
) -> Steps[tuple[Preview, ...]]:
    """What :func:`~napari_construct.batch.runner.run_batch_steps` would do with the same arguments.

    Headers are read, and of each slide that is not done a small picture, for its tissue. Whether an image can
    be decoded to its end is not known before it is.

    Yields
    ------
    Event
        Stage "images", and a notice where another run is writing into the folder.

    Returns
    -------
    tuple of Preview
        In the order of the sources.

    Raises
    ------
    ConfigurationError
        As the run would.
    """
    work = work_of(predictor, settings)
    sources = sources if share is None else share.of(sources)
    if holder := held_by(output):
        yield Notice(
            "images", 0, len(sources), Doubt(f"{output}: another run is writing there: one that {holder}")
        )
    ledger = Ledger(output, work.header(), restart=restart, share=share)
    plan = plan_of(sources, work.settings.outputs, output, ledger)
    plan.check_targets(overwrite=overwrite)
    rate = _seconds_per_pixel(list(ledger.entries.values()))
    found = []
    for number, source in enumerate(sources):
        yield Event("images", number, len(sources), source.stem)
        found.append(_preview(source, plan, predictor, work.settings.segment, rate))
    yield Event("images", len(sources), len(sources))
    return tuple(found)


def in_short(previews: Sequence[Preview]) -> str:
    """All of them in a sentence."""
    count = {
        action: sum(one.action == action for one in previews)
        for action in ("segment", "go on", "skip", "fail")
    }
    todo = [one for one in previews if one.action in ("segment", "go on")]
    known = [one.seconds for one in todo if one.seconds is not None]
    time = f"about {in_words(sum(known))}" if known and len(known) == len(todo) else "time not known yet"
    slides = sum(one.kind == "slide" for one in todo)
    return (
        f"{len(todo)} of {len(previews)} to do ({slides} slides, {count['go on']} of them begun), {time}; "
        f"{count['skip']} done already, {count['fail']} would fail; nothing was written"
    )


def _preview(
    source: Source,
    plan: Plan,
    predictor: Predictor | CellPredictor,
    settings: SegmentSettings,
    rate: float | None,
) -> Preview:
    kind = (
        "slide"
        if source.slide
        else f"plane {source.plane + 1} of {source.planes}"
        if source.stack
        else "image"
    )
    earlier = plan.earlier.get(source.key)
    try:
        extent = extent_of(source)
        if earlier is not None and earlier.good:
            return Preview(source.key, kind, "skip", "done in an earlier run", extent)
        why = earlier.why if earlier is not None and plan.ledger.entries[source.key].state == "done" else ""
        if not source.slide or not isinstance(predictor, Predictor):
            model = (predictor.mpp, predictor.scale) if isinstance(predictor, Predictor) else (None, 1.0)
            pixels = 0.0 if extent is None else extent.pixels_at(*model, settings.mpp)
            return Preview(
                source.key, kind, "segment", why, extent, looked_at=pixels, seconds=_time(pixels, rate)
            )
        with open_slide(source.path or "") as slide:
            tiles, wanted, side = slide_tiles(slide, predictor, settings)
        pixels = float(wanted * side**2)
        begun = _begun(paths_of(source, plan.output, plan.kinds)["zarr"])
    except _FAILURES as error:
        said = " ".join(str(error).split())
        return Preview(source.key, kind, "fail", said.removeprefix(f"{source.path}: "))
    action: Action = "go on" if begun else "segment"
    return Preview(source.key, kind, action, begun or why, extent, tiles, wanted, pixels, _time(pixels, rate))


def slide_tiles(slide: Slide, predictor: Predictor, settings: SegmentSettings) -> tuple[int, int, int]:
    """Tiles of a slide, those of them with tissue, and the side of what a tile adds, in pixels.

    Raises
    ------
    InputError
        If its resolution is unknown or far from the model's, or it cannot be read.
    """
    pixels, mpp = model_pixels(slide, predictor, settings.mpp)
    shape = pixels.shape
    tissue = tissue_on(overview_of(slide), slide, None if mpp is None else mpp[0])
    tiles = plan_tiles(shape, settings.tile, settings.overlap, predictor.spec.multiple).tiles
    wanted = sum(any_in(tissue, tile, shape) for tile in tiles)
    return len(tiles), wanted, settings.tile - settings.overlap


def _begun(pyramid: Path) -> str:
    """How far a slide is that a run has begun and not finished; empty otherwise."""
    if not is_pyramid(pyramid):
        return ""
    found = LabelPyramid.open(pyramid)
    if found.complete:
        return ""
    total = math.prod(found.plan.grid)
    return f"{total - len(found.left())} of {total} parts are written"


def _seconds_per_pixel(entries: Sequence[Entry]) -> float | None:
    """From the entries that are done; None without any."""
    done = [entry for entry in entries if entry.state == "done" and entry.looked_at]
    pixels = sum(entry.looked_at for entry in done)
    return sum(entry.seconds for entry in done) / pixels if pixels else None


def _time(pixels: float, rate: float | None) -> float | None:
    return None if rate is None else pixels * rate


def _size(mpp: tuple[float, float]) -> str:
    same = math.isclose(*mpp, rel_tol=1e-3)
    return f"{mpp[0]:.4g} um" if same else f"{mpp[0]:.4g} x {mpp[1]:.4g} um"
