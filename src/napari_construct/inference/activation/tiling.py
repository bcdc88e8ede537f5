"""Overlapping tiles that cover an image of any size, and their blending without seams.

Maps are stitched on the grid of the network's output, not on that of the pixels: the sum is smaller
by the square of the stride, and the interpolation to pixels happens once, after stitching, without tile
borders. For that, tiles start at multiples of the encoder's ``multiple``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_construct.exceptions import ConfigurationError, EncoderError
from napari_construct.types import FloatArray, RGBImage

Pixels = TypeVar("Pixels", RGBImage, FloatArray)


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the padded image in pixels: rows ``y`` to ``y + height``, columns likewise."""

    y: int
    x: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Positions of the tiles of an image.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the image.
    padded : tuple of int
        The same after padding to multiples of the encoder's ``multiple``.
    tiles : tuple of Tile
        All of one size, from the top left, row by row; together they cover the padded image.
    overlap : int
        Pixels over which a tile fades into its neighbours.
    """

    shape: tuple[int, int]
    padded: tuple[int, int]
    tiles: tuple[Tile, ...]
    overlap: int

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.tiles)

    def __len__(self) -> int:
        return len(self.tiles)


def plan_tiles(shape: tuple[int, int], tile: int, overlap: int, multiple: int) -> TilePlan:
    """Spread as few tiles as possible evenly over an image.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image, at least 1.
    tile : int
        Largest side of a tile in pixels; rounded down to a multiple, but to one more than the overlap.
        Smaller images get smaller tiles.
    overlap : int
        Least pixels that neighbours share; rounded up to a multiple.
    multiple : int
        Tiles start at, and are as long as, multiples of this.

    Raises
    ------
    ConfigurationError
        If a tile is smaller than ``multiple`` or does not outgrow its overlap.
    """
    side, shared = tile // multiple * multiple, _up(overlap, multiple)
    if side and tile >= 2 * overlap:  # as settings promise; rounding to a model's multiple may not break that
        side = max(side, shared + multiple)
    if side <= shared:
        raise ConfigurationError(
            f"expected tiles longer than their overlap, got {tile} and {overlap} pixels (in steps of "
            f"{multiple}, which the model needs); take larger tiles or less overlap"
        )
    padded = (_up(shape[0], multiple), _up(shape[1], multiple))
    height, width = min(side, padded[0]), min(side, padded[1])
    tiles = tuple(
        Tile(y, x, height, width)
        for y in spread(padded[0], height, shared, multiple)
        for x in spread(padded[1], width, shared, multiple)
    )
    return TilePlan(shape, padded, tiles, shared)


def spread(length: int, window: int, overlap: int, step: int = 1) -> list[int]:
    """Starts of the fewest windows that cover ``length``, evenly, at multiples of ``step``.

    Neighbours share at least ``overlap``, if ``length``, ``window`` and ``overlap`` are multiples of
    ``step`` themselves.
    """
    if length <= window:
        return [0]
    count = -(-(length - window) // (window - overlap)) + 1
    gap = (length - window) / (count - 1)
    return [int(i * gap / step + 0.5) * step for i in range(count)]


def pad_image(image: Pixels, padded: tuple[int, int]) -> Pixels:
    """Extend (h, w, c) to the right and below by reflection; the image itself where it needs none."""
    below, right = padded[0] - image.shape[0], padded[1] - image.shape[1]
    if not below and not right:
        return image
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="reflect")


class Stitcher:
    """Weighted mean of overlapping maps of tiles.

    A tile's weight falls to zero towards its neighbours as a squared sine, whose two sides add up to
    one; at the border of the image it stays one. The outermost cells, where a convolution saw the
    zeros outside its tile, therefore count least, and the sum changes without a jump.

    Parameters
    ----------
    plan : TilePlan
        Plan of the tiles to add.
    channels : int
        Channels of the maps.
    stride : int
        Pixels per cell of the maps.
    rows : int, optional
        Rows of pixels that are held; by default all.
    """

    def __init__(self, plan: TilePlan, channels: int, stride: int, rows: int | None = None) -> None:
        shape = (plan.padded[0] if rows is None else rows) // stride, plan.padded[1] // stride
        self._plan, self.stride = plan, stride
        self._total: FloatArray = np.zeros((channels, *shape), dtype=np.float32)
        self._weight: FloatArray = np.zeros(shape, dtype=np.float32)

    def add(self, tile: Tile, maps: FloatArray, channels: slice = slice(None)) -> None:
        """Add a tile's maps (c, height / stride, width / stride) to some of the channels.

        The weights are counted with the first channel, so every tile must reach that one once.
        """
        window = self._window(tile)
        rows, columns = self._cells(tile)
        self._total[channels, rows, columns] += window * maps
        if not channels.start:
            self._weight[rows, columns] += window

    def mean(self) -> FloatArray:
        """(c, rows, columns) float32 of the cells that hold pixels of the image; padding is cut off."""
        rows, columns = (-(-side // self.stride) for side in self._plan.shape)
        mean: FloatArray = self._total[:, :rows, :columns] / self._weight[:rows, :columns]
        return mean

    def _cells(self, tile: Tile) -> tuple[slice, slice]:
        s = self.stride
        return slice(tile.y // s, (tile.y + tile.height) // s), slice(tile.x // s, (tile.x + tile.width) // s)

    def _window(self, tile: Tile) -> FloatArray:
        fade = self._plan.overlap // self.stride
        rows = _fade(
            tile.height // self.stride, fade, tile.y > 0, tile.y + tile.height < self._plan.padded[0]
        )
        columns = _fade(
            tile.width // self.stride, fade, tile.x > 0, tile.x + tile.width < self._plan.padded[1]
        )
        return np.outer(rows, columns).astype(np.float32)


def cam_stride(tile: Tile, maps: tuple[int, int], multiple: int) -> int:
    """Pixels per cell of a map made from a tile.

    Raises
    ------
    EncoderError
        If cells do not fit the grid on which tiles are stitched.
    """
    stride = tile.height // max(maps[0], 1)
    if (maps[0] * stride, maps[1] * stride) != (tile.height, tile.width) or multiple % max(stride, 1):
        raise EncoderError(
            f"expected maps whose stride divides {multiple}, got {maps} cells for {tile.height} x "
            f"{tile.width} pixels; correct the strides and the multiple of the encoder"
        )
    return stride


def _fade(length: int, fade: int, before: bool, after: bool) -> npt.NDArray[np.float64]:
    weight = np.ones(length)
    if fade:
        ramp = np.sin((np.arange(fade) + 0.5) / fade * np.pi / 2) ** 2
        if before:
            weight[:fade] *= ramp
        if after:
            weight[-fade:] *= ramp[::-1]
    return weight


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
