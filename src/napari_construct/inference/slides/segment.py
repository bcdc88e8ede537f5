"""Segment a whole slide, out of core.

1. Tissue is found on a small picture; tiles without any are never read.
2. The network looks at rows of tiles; what it found lies on disk, on the grid of its output.
3. Presence of the classes is that of the whole slide, as is whether the model knows such tissue.
4. Shard by shard, blocks with what surrounds them are decided and refined as an image is, and written into a
   pyramid that can be looked at while it fills.

A run that was stopped or killed goes on where it was, to the same bytes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.data.slides.tissue import TissueSettings, find_tissue
from napari_construct.events import Event, Notice, Progress, Steps, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.locks import locked_file
from napari_construct.export.overlay import write_overlay
from napari_construct.export.own_files import is_pyramid, refuse_others
from napari_construct.export.pyramid_plan import PyramidPlan
from napari_construct.export.record import write_record
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import plan_tiles
from napari_construct.inference.decision.decider import named_classes
from napari_construct.inference.decision.out_of_distribution import warning
from napari_construct.inference.decision.record import model_record
from napari_construct.inference.loading import predictor_of
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.blocks import Block, decide_block
from napari_construct.inference.slides.glass import is_tissue, large_squares
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.overview import any_in, label_overview
from napari_construct.inference.slides.pixels import SlidePixels, at_model_resolution
from napari_construct.inference.slides.presence import slide_out_of_distribution, slide_presence
from napari_construct.inference.slides.record import slide_record
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.inference.slides.sums import Sums
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.marks import HIDDEN
from napari_construct.refinement.views import VIEWS
from napari_construct.types import BoolMask, PathLike

SHARD: Final = 2048
"""Side of what is written at once, in pixels at the model's resolution."""

BLOCK: Final = 1024
"""Side of what is decided at once."""

USUAL_MPP: Final = 0.25
"""Micrometres per pixel of a slide of unknown size, on which only the search for tissue relies."""

OVERVIEW: Final = 2048
"""Longer side of the picture on which tissue is found and the overlay is drawn."""


@dataclass(frozen=True, slots=True)
class SlideResult:
    """Where the labels of a slide are, and what was found.

    Attributes
    ----------
    path : Path
        Folder of the OME-Zarr pyramid of the labels, at the resolution of the model.
    areas : tuple of dict
        A row for each class: pixels, ``percent_of_tissue``, ``mm2`` and ``mean confidence``.
    record : mapping
        As in the JSON beside it.
    """

    path: Path
    areas: tuple[dict[str, Any], ...]
    record: Mapping[str, Any]


def segment_slide_steps(
    slide: Slide,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    folder: Path,
    stem: str | None = None,
    tissue: TissueSettings | None = None,
    probabilities: bool = False,
) -> Steps[SlideResult]:
    """Segment a slide into ``STEM_mask.ome.zarr``, ``STEM_overlay.png`` and ``STEM.json``.

    Parameters
    ----------
    slide : Slide
        Opened.
    predictor : Predictor
        The model.
    settings : SegmentSettings, optional
        The defaults otherwise; ``mpp`` overrides the slide's.
    folder : Path
        Where results are written; made if it is missing. What a stopped run of the same slide, model and
        settings left there is gone on with.
    stem : str, optional
        Start of the names of the files; that of the slide's file by default.
    tissue : TissueSettings, optional
        How tissue is found.
    probabilities : bool
        Also store the probabilities of the classes before refinement, in 8 bits.

    Yields
    ------
    Event
        Stages "tiles" (the network) and "refine" (blocks). Closing the generator stops within one tile.

    Returns
    -------
    SlideResult
        Files, areas and record.

    Raises
    ------
    InputError
        If the slide cannot be read, or its resolution is unknown or far from the model's.
    ConfigurationError
        If settings contradict the model, or files of others are in the way.
    """
    settings = predictor.resolved(settings or SegmentSettings())
    named_classes(settings.classes, predictor.classes)  # before the work
    if predictor.published:
        raise ConfigurationError(
            f"{predictor.name}: expected a model without the preset published for a whole slide, got "
            "one with it, which rescales each image by itself; segment regions with it"
        )
    name = stem or Path(slide.name).stem
    refuse_others([folder / f"{name}{end}" for end in ("_mask.ome.zarr", "_overlay.png", ".json")])
    folder.mkdir(parents=True, exist_ok=True)
    with locked_file(folder / f"{name}_mask.ome.zarr"):
        job = _SlideRun(slide, predictor, settings, folder, name, tissue or TissueSettings(), probabilities)
        return (yield from job.steps())


def segment_slide(
    slide: PathLike | Slide,
    model: PathLike | Predictor = DEFAULT_MODEL,
    settings: SegmentSettings | None = None,
    *,
    folder: PathLike,
    mpp: float | None = None,
    tissue: TissueSettings | None = None,
    probabilities: bool = False,
    device: str | None = None,
    progress: Progress = None,
    **changes: Any,
) -> SlideResult:
    """Segment a whole slide; :func:`segment_slide_steps` as a plain function.

    Parameters
    ----------
    slide : path or Slide
        A file of a scanner, a TIFF or the folder of an OME-Zarr; or what :func:`open_slide` returned.
    model : str, path or Predictor
        What :func:`~napari_construct.load_model` takes, or what it returned.
    settings : SegmentSettings, optional
        The defaults otherwise.
    folder : path
        Where results are written.
    mpp : float, optional
        Micrometres per pixel, instead of those of the file.
    tissue : TissueSettings, optional
        How tissue is found.
    probabilities : bool
        Also store the probabilities of the classes, in 8 bits.
    device : str, optional
        Device of the model; "auto" by default.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`~napari_construct.inference.settings.SegmentSettings`.

    Returns
    -------
    SlideResult
        Files, areas and record.

    Examples
    --------
    >>> from napari_construct import segment_slide
    >>> result = segment_slide("slide.svs", folder="results")  # doctest: +SKIP
    """
    checked = (settings or SegmentSettings()).changed(**changes)
    with ExitStack() as opened:
        if not isinstance(slide, Slide):
            slide = opened.enter_context(open_slide(slide, mpp=mpp))
        steps = segment_slide_steps(
            slide,
            predictor_of(model, device),
            checked if mpp is None else checked.changed(mpp=mpp),
            folder=Path(folder),
            tissue=tissue,
            probabilities=probabilities,
        )
        return run(steps, progress)


class _SlideRun:
    """One slide on its way."""

    def __init__(
        self,
        slide: Slide,
        predictor: Predictor,
        settings: SegmentSettings,
        folder: Path,
        name: str,
        tissue: TissueSettings,
        probabilities: bool,
    ) -> None:
        self.slide, self.predictor, self.settings = slide, predictor, settings
        self.folder, self.name = folder, name
        self.tissue, self.probabilities = tissue, probabilities
        self.mpp = slide.mpp if settings.mpp is None else (settings.mpp, settings.mpp)
        if self.mpp is None and predictor.mpp is not None:
            slide.required_mpp()
        self.pixels: SlidePixels = at_model_resolution(slide, self.mpp, predictor.mpp, predictor.scale)
        self.started = datetime.now(UTC)

    @property
    def label_mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of the labels."""
        step = self.pixels.step
        return None if self.mpp is None else (self.mpp[0] * step[0], self.mpp[1] * step[1])

    def steps(self) -> Steps[SlideResult]:
        clock = time.perf_counter()
        for text in self.slide.notices:
            yield Notice("tiles", 0, 0, text)
        picture = self.slide.thumbnail(OVERVIEW)
        found = find_tissue(picture, mpp=self._picture_mpp(picture.shape[0]), settings=self.tissue)
        seen = self._network_pass(found)
        work = self.folder / f"{HIDDEN}{self.name}.maps"
        pyramid = self._pyramid()
        store = NetworkStore(work, pyramid.plan.about, seen.shapes())
        yield from seen.steps(store)
        network = time.perf_counter() - clock
        large = large_squares(store.map("white")[0], seen.stride, seen.rule)
        tissue = is_tissue(store.map("white")[0], large, seen.stride)
        presence, scores = slide_presence(seen, store, tissue, self.settings)
        unlike = slide_out_of_distribution(seen, store, tissue)
        del tissue
        left = pyramid.left()
        total = len(left)
        for number, shard in enumerate(left):
            yield Event("refine", number, total)
            yield from self._shard(pyramid, Block(*shard), seen, store, large, presence)
        yield Event("refine", total, total)
        sums = Sums.total((record for _, record in pyramid.records()), len(presence))
        areas = sums.table(self.predictor.classes, self.label_mpp)
        said = warning(unlike, self.slide.name, self.predictor.name, any_tissue=bool(sums.tissue))
        for text in said:
            yield Notice("refine", total, total, text)
        files = {"zarr": f"{self.name}_mask.ome.zarr", "overlay": f"{self.name}_overlay.png"}
        record = slide_record(
            self.slide,
            self.predictor,
            self.settings,
            self.tissue,
            mpp=self.mpp,
            shape=self.pixels.shape,
            presence=presence,
            scores=scores,
            unlike=unlike,
        ) | {
            "mpp_of_labels": self.label_mpp,
            "tiles": len(seen.wanted),
            "coverage": float(found.mean()),
            "areas": areas,
            "tissue_pixels": sums.tissue,
            "files": files,
            "notices": [*self.slide.notices, *map(str, said)],
            "times": {
                "started": self.started.isoformat(timespec="seconds"),
                "network_seconds": network,
                "finish_seconds": time.perf_counter() - clock - network,
            },
        }
        shown = label_overview(pyramid, picture.shape[:2])
        write_overlay(self.folder / files["overlay"], picture, shown, self.predictor.classes)
        write_record(self.folder / f"{self.name}.json", record)
        pyramid.finish()
        shutil.rmtree(work, ignore_errors=True)
        return SlideResult(pyramid.path, tuple(areas), record)

    def _network_pass(self, tissue: BoolMask) -> NetworkPass:
        predictor, settings, shape = self.predictor, self.settings, self.pixels.shape
        plan = plan_tiles(shape, settings.tile, settings.overlap, predictor.spec.multiple)
        wanted = frozenset(tile for tile in plan if any_in(tissue, tile, shape))
        views = VIEWS[settings.views or predictor.calibration.views]
        rule = settings.background or predictor.calibration.background
        return NetworkPass(self.pixels, plan, wanted, predictor, views, rule)

    def _pyramid(self) -> LabelPyramid:
        """That of a stopped run of the same, or a new one."""
        path, file = self.folder / f"{self.name}_mask.ome.zarr", self.slide.path.stat()
        about = {
            "slide": [self.slide.name, self.slide.image, file.st_size, file.st_mtime_ns],
            "model": model_record(self.predictor),
            "calibration": self.predictor.calibration.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "tissue": self.tissue.model_dump(mode="json"),
        }
        plan = PyramidPlan.checked(
            shape=self.pixels.shape,
            classes=self.predictor.classes,
            mpp=self.mpp,
            downsample=self.pixels.step[0],
            probabilities=self.probabilities,
            about=about,
            shard=SHARD,
        )
        if is_pyramid(path):
            found = LabelPyramid.open(path)
            if not found.complete and found.plan == plan:
                return found
        return LabelPyramid.create(
            path,
            plan.shape,
            plan.classes,
            mpp=plan.mpp,
            downsample=plan.downsample,
            probabilities=plan.probabilities,
            about=plan.about,
            shard=plan.shard,
        )

    def _shard(
        self,
        pyramid: LabelPyramid,
        shard: Block,
        seen: NetworkPass,
        store: NetworkStore,
        large: BoolMask,
        presence: tuple[bool, ...],
    ) -> Steps[None]:
        k = len(presence)
        labels = np.zeros((shard.height, shard.width), np.uint8)
        stored = np.zeros((k, *labels.shape), np.uint8) if self.probabilities else None
        parts: list[dict[str, Any]] = []
        for block in shard.parts(BLOCK):
            done = yield from decide_block(block, seen, store, large, self.settings, presence)
            inside = block.within(shard)
            labels[inside] = done.labels
            if stored is not None:
                stored[:, *inside] = np.rint(done.probabilities * 255)
            parts.append(Sums.of(done.labels, done.confidence, done.tissue, k).as_record())
        record = Sums.total(parts, k).as_record()
        pyramid.write(shard.top, shard.left, labels if labels.any() else None, stored, record=record)

    def _picture_mpp(self, rows: int) -> float:
        """Micrometres per pixel of a picture of the slide; where they are unknown, those of a usual scan."""
        mpp = USUAL_MPP if self.mpp is None else self.mpp[0]
        return mpp * self.slide.shape[0] / rows
