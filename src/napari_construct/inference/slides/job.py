"""One slide on its way: its steps in order, and what a stopped run of it left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.tissue import TissueSettings, find_tissue
from napari_construct.events import Event, Notice, Steps
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.overlay import write_overlay
from napari_construct.export.pyramid_plan import PyramidPlan
from napari_construct.export.record import write_record
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import plan_tiles
from napari_construct.inference.decision.out_of_distribution import warning
from napari_construct.inference.decision.record import model_record
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.blocks import Block, BlockDecider, BlocksElsewhere, decided_by
from napari_construct.inference.slides.glass import is_tissue, large_squares
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.overview import any_in, label_overview
from napari_construct.inference.slides.pixels import SlidePixels, at_model_resolution
from napari_construct.inference.slides.presence import slide_out_of_distribution, slide_presence
from napari_construct.inference.slides.record import slide_record
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.inference.slides.sums import Sums
from napari_construct.inference.workers import Workers
from napari_construct.reading.marks import HIDDEN
from napari_construct.refinement.views import VIEWS
from napari_construct.types import BoolMask

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


class SlideRun:
    """One slide on its way; parameters as of :func:`~.segment.segment_slide_steps`.

    Raises
    ------
    InputError
        If its resolution is unknown or far from the model's.
    """

    def __init__(
        self,
        slide: Slide,
        predictor: Predictor,
        settings: SegmentSettings,
        folder: Path,
        name: str,
        tissue: TissueSettings,
        probabilities: bool,
        workers: Workers | None = None,
    ) -> None:
        self.workers = workers
        self.slide, self.predictor, self.settings = slide, predictor, settings
        self.paths = {
            "zarr": folder / f"{name}_mask.ome.zarr",
            "overlay": folder / f"{name}_overlay.png",
            "record": folder / f"{name}.json",
        }
        self.work = folder / f"{HIDDEN}{name}.maps"
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
        pyramid = self._pyramid()
        store = NetworkStore(self.work, pyramid.plan.about, seen.shapes())
        yield from seen.steps(store, self.workers)
        network = time.perf_counter() - clock
        large = large_squares(store.map("white")[0], seen.stride, seen.rule)
        tissue = is_tissue(store.map("white")[0], large, seen.stride)
        presence, scores = slide_presence(seen, store, tissue, self.settings)
        unlike = slide_out_of_distribution(seen, store, tissue)
        del tissue
        decider = BlockDecider(seen, store, large, self.settings, presence, scores)
        left = pyramid.left()
        total = len(left)
        blocks = (block for shard in left for block in Block(*shard).parts(BLOCK))
        with decided_by(decider, blocks, self.workers) as decided:
            for number, shard in enumerate(left):
                yield Event("refine", number, total)
                yield from self._shard(pyramid, Block(*shard), decided)
        yield Event("refine", total, total)
        sums = Sums.total((record for _, record in pyramid.records()), len(presence))
        areas = sums.table(self.predictor.classes, self.label_mpp)
        said = warning(unlike, self.slide.name, self.predictor.name, any_tissue=bool(sums.tissue))
        for text in said:
            yield Notice("refine", total, total, text)
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
            "files": {kind: path.name for kind, path in self.paths.items() if kind != "record"},
            "notices": [*self.slide.notices, *map(str, said)],
            "times": {
                "started": self.started.isoformat(timespec="seconds"),
                "network_seconds": network,
                "finish_seconds": time.perf_counter() - clock - network,
            },
        }
        shown = label_overview(pyramid, picture.shape[:2])
        write_overlay(self.paths["overlay"], picture, shown, self.predictor.classes)
        write_record(self.paths["record"], record)
        pyramid.finish()
        shutil.rmtree(self.work, ignore_errors=True)
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
        file = self.slide.path.stat()
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
        return LabelPyramid.gone_on_with(self.paths["zarr"], plan)

    def _shard(
        self, pyramid: LabelPyramid, shard: Block, decider: BlockDecider | BlocksElsewhere
    ) -> Steps[None]:
        k = len(decider.presence)
        labels = np.zeros((shard.height, shard.width), np.uint8)
        stored = np.zeros((k, *labels.shape), np.uint8) if self.probabilities else None
        parts: list[dict[str, Any]] = []
        for block in shard.parts(BLOCK):
            done = yield from decider.steps(block)
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
