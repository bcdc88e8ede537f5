"""Strokes on a real region of lymph node tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.teaching.strokes import Strokes


@pytest.fixture(scope="session")
def region(camelyon: Path) -> tuple[np.ndarray, np.ndarray]:
    """(256, 256, 3) at 0.25 um per pixel, and its mask."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    (mask,) = (camelyon / "val" / "mask").glob("*.png")
    return read_image(path).pixels, read_mask(mask)


def bars(mask: np.ndarray, values: tuple[int, ...], every: int = 40, length: int = 16) -> np.ndarray:
    """Short horizontal strokes, 4 pixels thick, in parts of one value: class i in parts of the i-th."""
    painted = np.zeros(mask.shape, dtype=np.uint8)
    for y in range(8, mask.shape[0] - 8, every):
        for x in range(8, mask.shape[1] - length, every):
            box = (slice(y, y + 4), slice(x, x + length))
            for i, value in enumerate(values):
                if (mask[box] == value).all():
                    painted[box] = i + 1
    return painted


@pytest.fixture
def strokes(region: tuple[np.ndarray, np.ndarray]) -> Strokes:
    image, mask = region
    return Strokes("region", image, bars(mask, (0, 1)), 0.25)
