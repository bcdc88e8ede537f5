"""Decisions on blocks of a slide: as on an image of the block and what surrounds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.events import Steps
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.decision.decider import Decider
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.glass import TISSUE, at_cells, block_glass
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.types import BoolMask, FloatArray, LabelImage

HALO: Final = 128
"""Pixels around a block that are decided with it: as far as the CRF of the paper reaches."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle at the model's resolution: rows ``top`` to ``top + height``, columns likewise."""

    top: int
    left: int
    height: int
    width: int

    @property
    def ranges(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def parts(self, side: int) -> Iterator[Block]:
        """Squares of ``side`` pixels that cover it, row by row; the last ones may be cut."""
        for top in range(self.top, self.top + self.height, side):
            for left in range(self.left, self.left + self.width, side):
                height = min(side, self.top + self.height - top)
                yield Block(top, left, height, min(side, self.left + self.width - left))

    def within(self, outer: Block) -> tuple[slice, slice]:
        """Its rows and columns in an array of ``outer``."""
        top, left = self.top - outer.top, self.left - outer.left
        return slice(top, top + self.height), slice(left, left + self.width)

    def around(self, halo: int, shape: tuple[int, int], step: int) -> Block:
        """The block and up to ``halo`` pixels on each side, from a multiple of ``step``, within ``shape``."""
        top, left = (max(start - halo, 0) // step * step for start in (self.top, self.left))
        bottom = min(self.top + self.height + halo, shape[0])
        right = min(self.left + self.width + halo, shape[1])
        return Block(top, left, bottom - top, right - left)


@dataclass(frozen=True, slots=True, eq=False)
class DecidedBlock:
    """Labels (h, w) uint8, probabilities (k, h, w) and confidence (h, w) float32, and pixels with tissue."""

    block: Block
    labels: LabelImage
    probabilities: FloatArray
    confidence: FloatArray
    tissue: int


def decide_block(
    block: Block,
    seen: NetworkPass,
    store: NetworkStore,
    large: BoolMask,
    settings: SegmentSettings,
    presence: tuple[bool, ...],
) -> Steps[DecidedBlock]:
    """Decide one block from what the network found.

    Parameters
    ----------
    block : Block
        At the model's resolution.
    seen : NetworkPass
        Slide and model.
    store : NetworkStore
        Filled.
    large : ndarray
        Squares of large white areas, of :func:`~napari_construct.inference.slides.glass.large_squares`.
    settings : SegmentSettings
        Resolved; classes and thresholds of presence have no effect.
    presence : tuple of bool
        Of the whole slide.

    Yields
    ------
    Event
        Stage "refine".
    """
    k = len(presence)
    if not any(presence) or not _has_tissue(block, seen.stride, store):
        empty = np.zeros((block.height, block.width), np.float32)
        yield from ()
        return DecidedBlock(block, empty.astype(np.uint8), np.zeros((k, *empty.shape), np.float32), empty, 0)
    part, stride = block.around(HALO, seen.pixels.shape, seen.stride), seen.stride
    image = seen.pixels.read(part.top, part.left, part.height, part.width)
    rows, columns = (
        slice(start // stride, -(-(start + length) // stride))
        for start, length in ((part.top, part.height), (part.left, part.width))
    )
    activation = Activation(
        image=image,
        logits=np.ascontiguousarray(store.map("logits")[:, rows, columns]),
        rescaled=None,
        cells=(part.height / stride, part.width / stride),
        stride=stride,
        mpp=seen.predictor.mpp,
        valid=~block_glass(image, seen.rule, at_cells(large, 1, *part.ranges)),
    )
    names = _named(seen.predictor.classes, presence)
    known = settings.changed(classes=names, background=BackgroundRule(enabled=False))  # glass is in valid
    result = yield from Decider(activation, seen.predictor, (0.0,) * k).steps(known)
    inner = block.within(part)
    return DecidedBlock(
        block,
        result.labels[inner],
        result.probabilities[:, *inner],
        result.confidence[inner],
        int((~result.background[inner]).sum()),
    )


def _has_tissue(block: Block, stride: int, store: NetworkStore) -> bool:
    rows, columns = (
        slice(start // stride, -(-(start + length) // stride))
        for start, length in ((block.top, block.height), (block.left, block.width))
    )
    return bool((store.map("white")[0, rows, columns] == TISSUE).any())


def _named(classes: ClassTable, presence: tuple[bool, ...]) -> tuple[str, ...]:
    return tuple(name for name, present in zip(classes.names, presence, strict=True) if present)
