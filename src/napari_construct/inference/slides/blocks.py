"""Decisions on blocks of a slide: as on an image of the block and what surrounds it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import tee
from typing import Final
from uuid import uuid4

import numpy as np

from napari_construct.events import run
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import Decider
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.glass import TISSUE, at_cells, block_glass
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.pixels import Pixels
from napari_construct.inference.slides.side_by_side import workers_here
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.inference.workers import Workers
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
    """Labels (h, w) uint8, probabilities and CAMs (k, h, w) and confidence (h, w) float32, tissue (h, w).

    Maps that nobody needs have no classes.
    """

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
class BlockEvidence:
    """What a block is decided from, but for its pixels.

    Attributes
    ----------
    block, part : Block
        What is decided, and what is looked at for it.
    logits : ndarray
        (k, rows, columns) float32 of the cells of ``part``.
    large : ndarray
        (h, w) bool of ``part``: large white areas.
    """

    block: Block
    part: Block
    logits: FloatArray
    large: BoolMask


@dataclass(frozen=True, slots=True, eq=False)
class Deciding:
    """How blocks are decided; a :class:`~napari_construct.inference.workers.Job` on their evidence.

    Attributes
    ----------
    pixels : Pixels
        The slide at the model's resolution.
    stride : int
        Pixels per cell of the logits.
    rule : BackgroundRule
        Where there is no tissue.
    settings : SegmentSettings
        Resolved; classes and thresholds of presence have no effect.
    presence, scores : tuple
        Of every class on the whole slide.
    maps : tuple of str
        Those of a block that are needed: "probabilities", "cams".
    """

    pixels: Pixels
    stride: int
    rule: BackgroundRule
    settings: SegmentSettings
    presence: tuple[bool, ...]
    scores: tuple[float, ...]
    maps: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, predictor: Predictor, evidence: BlockEvidence) -> DecidedBlock:
        """Decide a block at the model's resolution."""
        part = evidence.part
        image = self.pixels.read(part.top, part.left, part.height, part.width)
        activation = Activation(
            image=image,
            logits=evidence.logits,
            rescaled=None,
            cells=(part.height / self.stride, part.width / self.stride),
            stride=self.stride,
            mpp=predictor.mpp,
            valid=~block_glass(image, self.rule, evidence.large),
        )
        named = zip(predictor.classes.names, self.presence, strict=True)
        settings = self.settings.changed(
            classes=tuple(name for name, present in named if present),
            background=BackgroundRule(enabled=False),  # glass is in valid
        )
        result = run(Decider(activation, predictor, self.scores).steps(settings))
        inner = evidence.block.within(part)
        none = np.zeros((0, evidence.block.height, evidence.block.width), np.float32)
        return DecidedBlock(
            result.labels[inner],
            result.probabilities[:, *inner] if "probabilities" in self.maps else none,
            result.cams[:, *inner] if "cams" in self.maps else none,
            result.confidence[inner],
            ~result.background[inner],
        )


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

    def decided(
        self, blocks: Iterable[Block], workers: Workers | None = None, maps: Sequence[str] = ()
    ) -> Generator[DecidedBlock | None, None, None]:
        """Decide blocks, some ahead of those that are taken.

        Parameters
        ----------
        blocks : iterable of Block
            At the model's resolution.
        workers : Workers, optional
            Who decides; by default this process, with as many threads as torch has.
        maps : sequence of str
            Of "probabilities" and "cams" those that are needed; others come without classes.

        Yields
        ------
        DecidedBlock or None
            In the order of the blocks; None while one is waited for.
        """
        seen = self.seen
        job = Deciding(
            seen.pixels, seen.stride, seen.rule, self.settings, self.presence, self.scores, tuple(maps)
        )
        ahead, taken = tee(blocks)
        evidence = (self.evidence(block) for block in ahead if not self.is_empty(block))
        doing = workers_here(seen.predictor.device) if workers is None else workers
        with closing(doing.results(job, seen.predictor, evidence)) as results:
            for block in taken:
                if self.is_empty(block):
                    yield DecidedBlock.empty(len(self.presence), (block.height, block.width))
                    continue
                while (found := next(results)) is None:
                    yield None
                yield found

    def is_empty(self, block: Block) -> bool:
        """Whether there is no tissue in a block, or no class on the slide."""
        white = self.store.map("white")[0]
        return not any(self.presence) or not (white[block.cells(self.seen.stride)] == TISSUE).any()

    def evidence(self, block: Block) -> BlockEvidence:
        """What a block is decided from."""
        part = block.around(HALO, self.seen.pixels.shape, self.seen.stride)
        logits = self.store.map("logits")[:, *part.cells(self.seen.stride)]
        return BlockEvidence(block, part, np.array(logits, order="C"), at_cells(self.large, 1, *part.ranges))
