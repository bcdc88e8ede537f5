"""Decisions on blocks of a slide: as on an image of the block and what surrounds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

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

    def cells(self, stride: int) -> tuple[slice, slice]:
        """Rows and columns of the cells of ``stride`` pixels that it touches."""
        rows, columns = (slice(part.start // stride, -(-part.stop // stride)) for part in self.ranges)
        return rows, columns

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
    """Labels (h, w) uint8, probabilities and CAMs (k, h, w) and confidence (h, w) float32, tissue (h, w)."""

    labels: LabelImage
    probabilities: FloatArray
    cams: FloatArray
    confidence: FloatArray
    tissue: BoolMask

    @classmethod
    def empty(cls, k: int, shape: tuple[int, int]) -> DecidedBlock:
        """Without any class or tissue."""
        maps = np.zeros((k, *shape), np.float32)
        return cls(np.zeros(shape, np.uint8), maps, maps, maps.max(0), np.zeros(shape, np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class BlockDecider:
    """Decides blocks from what the network found.

    Attributes
    ----------
    seen : NetworkPass
        Slide and model.
    store : NetworkStore
        Filled.
    large : ndarray
        Squares of large white areas, of :func:`~napari_construct.inference.slides.glass.large_squares`.
    settings : SegmentSettings
        Resolved; classes and thresholds of presence have no effect.
    presence, scores : tuple
        Of every class on the whole slide.
    """

    seen: NetworkPass
    store: NetworkStore
    large: BoolMask
    settings: SegmentSettings
    presence: tuple[bool, ...]
    scores: tuple[float, ...]

    def steps(self, block: Block) -> Steps[DecidedBlock]:
        """Decide a block at the model's resolution.

        Yields
        ------
        Event
            Stage "refine".
        """
        white, logits = self.store.map("white")[0], self.store.map("logits")
        seen, stride = self.seen, self.seen.stride
        if not any(self.presence) or not (white[block.cells(stride)] == TISSUE).any():
            return DecidedBlock.empty(len(self.presence), (block.height, block.width))
        part = block.around(HALO, seen.pixels.shape, stride)
        image = seen.pixels.read(part.top, part.left, part.height, part.width)
        activation = Activation(
            image=image,
            logits=np.ascontiguousarray(logits[:, *part.cells(stride)]),
            rescaled=None,
            cells=(part.height / stride, part.width / stride),
            stride=stride,
            mpp=seen.predictor.mpp,
            valid=~block_glass(image, seen.rule, at_cells(self.large, 1, *part.ranges)),
        )
        named = zip(seen.predictor.classes.names, self.presence, strict=True)
        settings = self.settings.changed(
            classes=tuple(name for name, present in named if present),
            background=BackgroundRule(enabled=False),  # glass is in valid
        )
        result = yield from Decider(activation, seen.predictor, self.scores).steps(settings)
        inner = block.within(part)
        return DecidedBlock(
            result.labels[inner],
            result.probabilities[:, *inner],
            result.cams[:, *inner],
            result.confidence[inner],
            ~result.background[inner],
        )
