"""A shard of a slide's labels: its blocks decided, measured, and written with the maps that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from napari_construct.data.region_set import RegionSet, Window
from napari_construct.events import Event, Steps
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.inference.slides.blocks import Block, DecidedBlock
from napari_construct.results.measures.sums import RegionSums
from napari_construct.types import BoolMask

BLOCK: Final = 1024
"""Side of what is decided at once."""


class DrawnShard(NamedTuple):
    """A shard, and its blocks with anything in a region: with the pixels (h, w) in one; None is all."""

    shard: Block
    blocks: tuple[tuple[Block, BoolMask | None], ...]


def drawn(shards: Iterable[Block], regions: RegionSet | None) -> Iterator[DrawnShard]:
    """Shards with the regions on them."""
    for shard in shards:
        masks = ((block, _inside(block, regions)) for block in shard.parts(BLOCK))
        yield DrawnShard(shard, tuple((block, mask) for block, mask in masks if mask is None or mask.any()))


@dataclass(frozen=True, slots=True, eq=False)
class ShardWriter:
    """Writes shards whose blocks are decided.

    Attributes
    ----------
    pyramid : LabelPyramid
        Not finished; its plan says which maps are stored.
    decided : iterator of DecidedBlock or None
        Their blocks in order; None while one is waited for.
    regions : RegionSet or None
        In pixels of the labels; what lies outside of them stays unlabelled, is not measured and not read.
    """

    pyramid: LabelPyramid
    decided: Iterator[DecidedBlock | None]
    regions: RegionSet | None

    def steps(self, found: DrawnShard) -> Steps[None]:
        """Write the next shard.

        Yields
        ------
        Event
            Stage "refine", while a block is waited for.
        """
        shard, plan = found.shard, self.pyramid.plan
        k = len(plan.classes)
        labels = np.zeros((shard.height, shard.width), np.uint8)
        stored = {kind: np.zeros((k, *labels.shape), np.uint8) for kind in plan.maps}
        parts: list[dict[str, Any]] = []
        for block, inside in found.blocks:
            while (done := next(self.decided)) is None:
                yield Event("refine", 0, 1)
            if inside is not None:
                done = _only(done, inside)
            part = block.within(shard)
            labels[part] = done.labels
            for kind, whole in stored.items():
                whole[:, *part] = np.rint(getattr(done, kind) * 255)
            sums = RegionSums.of(_window(block), done.labels, done.confidence, done.tissue, k, self.regions)
            parts.append(sums.as_record())
        record = RegionSums.total(parts, k).as_record()
        filled = labels if labels.any() or any(maps.any() for maps in stored.values()) else None
        written = stored if filled is not None else {}
        self.pyramid.write(shard.top, shard.left, filled, record=record, **written)


def _window(block: Block) -> Window:
    return Window(block.top, block.left, block.height, block.width)


def _inside(block: Block, regions: RegionSet | None) -> BoolMask | None:
    return None if regions is None else regions.mask(_window(block))


def _only(done: DecidedBlock, inside: BoolMask) -> DecidedBlock:
    """A block without what lies outside of the regions."""
    return DecidedBlock(
        labels=done.labels * inside,
        probabilities=done.probabilities * inside,
        cams=done.cams * inside,
        confidence=done.confidence * inside,
        tissue=done.tissue & inside,
    )
