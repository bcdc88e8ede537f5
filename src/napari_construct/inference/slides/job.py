"""One slide on its way: its steps in order, and what a stopped run of it left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import tee
from pathlib import Path
from typing import Any, Final

from napari_construct.annotations import Feature
from napari_construct.data.region_set import RegionSet, Window
from napari_construct.data.slides.overview import overview_of, tissue_on
from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.tissue import TissueSettings
from napari_construct.events import Event, Notice, Steps
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.overlay import write_overlay
from napari_construct.export.pyramid_plan import CHUNK, MAPS, PyramidPlan
from napari_construct.export.pyramid_tiff import write_mask_pyramid
from napari_construct.export.record import write_record
from napari_construct.export.tables import write_table
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import Tile, plan_tiles
from napari_construct.inference.decision.out_of_distribution import warning
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.blocks import Block, BlockDecider
from napari_construct.inference.slides.glass import is_tissue, large_squares
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.outputs import (
    checked_outputs,
    distances_of,
    slide_paths,
    write_distances,
)
from napari_construct.inference.slides.overview import any_in, label_levels, label_overview
from napari_construct.inference.slides.pixels import model_pixels
from napari_construct.inference.slides.presence import slide_out_of_distribution, slide_presence
from napari_construct.inference.slides.record import run_identity, slide_record
from napari_construct.inference.slides.shards import ShardWriter, drawn
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.inference.workers import Workers
from napari_construct.refinement.views import VIEWS
from napari_construct.results.measures.rows import as_columns, recorded_area
from napari_construct.results.measures.sums import RegionSums
from napari_construct.results.measures.table import table_steps
from napari_construct.types import BoolMask, PathLike

SHARD: Final = 2048
"""Side of what is written at once, in pixels at the model's resolution."""


@dataclass(frozen=True, slots=True)
class SlideResult:
    """Where the labels of a slide are, and what was found.

    Attributes
    ----------
    path : Path
        Folder of the OME-Zarr pyramid of the labels, at the resolution of the model.
    areas : tuple of dict
        A row for each class: pixels, ``percent_of_tissue``, ``mm2``, ``components`` and ``mean confidence``.
    record : mapping
        As in the JSON beside it.
    files : mapping of str to Path
        What was written, by kind.
    regions : tuple of dict
        A row for each region and class: region, class, pixels, ``mm2``, ``percent_of_tissue``, components,
        ``mean_confidence``; empty without regions.
    """

    path: Path
    areas: tuple[dict[str, Any], ...]
    record: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)
    regions: tuple[dict[str, Any], ...] = ()


class SlideRun:
    """One slide on its way; parameters as of :func:`~.segment.segment_slide_steps`.

    Raises
    ------
    InputError
        If its resolution is unknown or far from the model's, or regions cannot be read or lie elsewhere.
    ConfigurationError
        If outputs are unknown, or not those of this model.
    """

    def __init__(
        self,
        slide: Slide,
        predictor: Predictor,
        settings: SegmentSettings,
        folder: Path,
        name: str,
        tissue: TissueSettings,
        outputs: Collection[str] | None = None,
        regions: PathLike | Iterable[Feature] | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.workers = workers
        self.slide, self.predictor, self.settings = slide, predictor, settings
        self.views = VIEWS[settings.views or predictor.calibration.views]
        self.outputs = checked_outputs(outputs, predictor, self.views)
        self.paths = slide_paths(folder, name, self.outputs)
        self.work = folder / f".{name}.maps"
        self.tissue = tissue
        self.pixels, self.mpp = model_pixels(slide, predictor, settings.mpp)
        self.regions: RegionSet | None = None
        if regions is not None:
            self.regions = RegionSet.of(regions, step=self.pixels.step)
            self.regions.check(self.pixels.shape, slide.name)
        self.started = datetime.now(UTC)

    @property
    def label_mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of the labels."""
        step = self.pixels.step
        return None if self.mpp is None else (self.mpp[0] * step[0], self.mpp[1] * step[1])

    def steps(self) -> Steps[SlideResult]:
        clock = time.perf_counter()
        notices = [*self.slide.notices, *(() if self.regions is None else self.regions.notices)]
        for text in notices:
            yield Notice("tiles", 0, 0, text)
        picture = overview_of(self.slide)
        found = tissue_on(picture, self.slide, None if self.mpp is None else self.mpp[0], self.tissue)
        seen = self._network_pass(found)
        pyramid = self._pyramid()
        store = NetworkStore(self.work, pyramid.plan.about, seen.shapes())
        yield from seen.steps(store, self.workers)
        network = time.perf_counter() - clock
        large = large_squares(store.map("white")[0], seen.stride, seen.rule)
        tissue = is_tissue(store.map("white")[0], large, seen.stride)
        if self.regions is not None:
            tissue &= self.regions.cells((tissue.shape[0], tissue.shape[1]), seen.stride)
        presence, scores = slide_presence(seen, store, tissue, self.settings)
        unlike = slide_out_of_distribution(seen, store, tissue)
        del tissue
        decider = BlockDecider(seen, store, large, self.settings, presence, scores)
        left = pyramid.left()
        total = len(left)
        ahead, shards = tee(drawn((Block(*shard) for shard in left), self.regions))
        blocks = (block for shard in ahead for block, _ in shard.blocks)
        with closing(decider.decided(blocks, self.workers, pyramid.plan.maps)) as decided:
            writer = ShardWriter(pyramid, decided, self.regions)
            for number, shard in enumerate(shards):
                yield Event("refine", number, total)
                yield from writer.steps(shard)
        yield Event("refine", total, total)
        sums = RegionSums.total((record for _, record in pyramid.records()), len(presence))
        levels = label_levels(pyramid)
        mpp = self.label_mpp
        rows = yield from table_steps(
            levels[0],
            sums,
            self.predictor.classes,
            self.regions,
            square=None if mpp is None else mpp[0] * mpp[1],
            event=Event("refine", total, total),
        )
        areas, of_regions = rows[: len(presence)], tuple(rows[len(presence) :])
        said = warning(
            unlike,
            self.slide.name,
            self.predictor.name,
            any_tissue=bool(sums.whole.tissue),
            look=distances_of(self.paths),
        )
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
            "areas": [recorded_area(row) for row in areas],
            **({} if self.regions is None else {"regions": of_regions}),
            "tissue_pixels": sums.whole.tissue,
            "files": {kind: path.name for kind, path in self.paths.items() if kind != "record"},
            "notices": [*notices, *map(str, said)],
            "times": {
                "started": self.started.isoformat(timespec="seconds"),
                "network_seconds": network,
                "finish_seconds": time.perf_counter() - clock - network,
            },
        }
        if "overlay" in self.paths:
            shown = label_overview(levels, picture.shape[:2])
            write_overlay(self.paths["overlay"], picture, shown, self.predictor.classes)
        if "areas" in self.paths:
            write_table(self.paths["areas"], as_columns(rows))
        if "ood" in self.paths:
            write_distances(self.paths["ood"], seen, store, mpp)
        if "mask" in self.paths:
            write_mask_pyramid(self.paths["mask"], levels, self.predictor.classes, mpp)
        write_record(self.paths["record"], record)
        pyramid.finish()
        shutil.rmtree(self.work, ignore_errors=True)
        return SlideResult(pyramid.path, tuple(record["areas"]), record, self.paths, of_regions)

    def _network_pass(self, tissue: BoolMask) -> NetworkPass:
        predictor, settings, shape = self.predictor, self.settings, self.pixels.shape
        plan = plan_tiles(shape, settings.tile, settings.overlap, predictor.spec.multiple)
        wanted = frozenset(tile for tile in plan if any_in(tissue, tile, shape) and self._counts(tile))
        rule = settings.background or predictor.calibration.background
        return NetworkPass(self.pixels, plan, wanted, predictor, self.views, rule)

    def _counts(self, tile: Tile) -> bool:
        """Whether a pixel of a tile is to be segmented."""
        if self.regions is None:
            return True
        return bool(self.regions.mask(Window(tile.y, tile.x, tile.height, tile.width)).any())

    def _pyramid(self) -> LabelPyramid:
        """That of a stopped run of the same, or a new one."""
        about = run_identity(self.slide, self.predictor, self.settings)
        about["tissue"] = self.tissue.model_dump(mode="json")
        if self.regions is not None:
            about["regions"] = self.regions.digest()
        plan = PyramidPlan.checked(
            shape=self.pixels.shape,
            classes=self.predictor.classes,
            mpp=self.mpp,
            downsample=self.pixels.step[0],
            **{kind: kind in self.outputs for kind in MAPS},
            about=about,
            shard=SHARD,
            chunk=min(CHUNK, SHARD),
        )
        return LabelPyramid.gone_on_with(self.paths["zarr"], plan)
