"""A shard of a slide's labels: its blocks decided, measured, and written with the maps that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from napari_construct.data.region_set import RegionSet, Window
from napari_construct.events import Steps
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.inference.slides.blocks import Block, BlockDecider, BlocksElsewhere, DecidedBlock
from napari_construct.results.measures.sums import RegionSums
from napari_construct.types import BoolMask

BLOCK: Final = 1024
"""Side of what is decided at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ShardWriter:
    """Decides and writes shards.

    Attributes
    ----------
    pyramid : LabelPyramid
        Not finished; its plan says which maps are stored.
    decider : BlockDecider or BlocksElsewhere
        Of the slide.
    regions : RegionSet or None
        In pixels of the labels; what lies outside of them stays unlabelled, is not measured and not read.
    """

    pyramid: LabelPyramid
    decider: BlockDecider | BlocksElsewhere
    regions: RegionSet | None

    def steps(self, shard: Block) -> Steps[None]:
        """Decide the blocks of a shard and write it.

        Yields
        ------
        Event
            Stage "refine".
        """
        k, plan = len(self.decider.presence), self.pyramid.plan
        labels = np.zeros((shard.height, shard.width), np.uint8)
        stored = {kind: np.zeros((k, *labels.shape), np.uint8) for kind in plan.maps}
        parts: list[dict[str, Any]] = []
        for block in shard.parts(BLOCK):
            window = Window(block.top, block.left, block.height, block.width)
            inside = None if self.regions is None else self.regions.mask(window)
            if inside is not None and not inside.any():
                continue
            done = yield from self.decider.steps(block)
            if inside is not None:
                done = _only(done, inside)
            part = block.within(shard)
            labels[part] = done.labels
            for kind, whole in stored.items():
                whole[:, *part] = np.rint(getattr(done, kind) * 255)
            sums = RegionSums.of(window, done.labels, done.confidence, done.tissue, k, self.regions)
            parts.append(sums.as_record())
        record = RegionSums.total(parts, k).as_record()
        found = labels if labels.any() or any(maps.any() for maps in stored.values()) else None
        written = stored if found is not None else {}
        self.pyramid.write(shard.top, shard.left, found, record=record, **written)


def blocks_of(shard: Block, regions: RegionSet | None) -> Iterator[Block]:
    """The blocks of a shard that are decided: those with anything in a region."""
    for block in shard.parts(BLOCK):
        window = Window(block.top, block.left, block.height, block.width)
        if regions is None or regions.mask(window).any():
            yield block


def _only(done: DecidedBlock, inside: BoolMask) -> DecidedBlock:
    """A block without what lies outside of the regions."""
    return DecidedBlock(
        labels=done.labels * inside,
        probabilities=done.probabilities * inside,
        cams=done.cams * inside,
        confidence=done.confidence * inside,
        tissue=done.tissue & inside,
    )
