"""Images of plain textures, so that what is rare is known; folders that patches were cut into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.labelling.cut import cut_patches

SIDE = 64


def tile(kind: str, seed: int, side: int = SIDE) -> np.ndarray:
    """A patch of tissue: even, striped or dotted, in the colours of H&E."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (214, 150, 190), np.float32)
    if kind == "striped":
        pixels[(np.arange(side) // 6) % 2 == 0] = (120, 60, 140)
    elif kind == "dotted":
        for row, column in rng.integers(4, side - 4, (30, 2)):
            pixels[row - 3 : row + 3, column - 3 : column + 3] = (70, 40, 120)
    return (pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)


def sheet(kinds: list[list[str]]) -> np.ndarray:
    """Tiles side by side; "glass" is white."""
    rows = []
    for i, row in enumerate(kinds):
        parts = [
            np.full((SIDE, SIDE, 3), 244, np.uint8) if kind == "glass" else tile(kind, 100 * i + j)
            for j, kind in enumerate(row)
        ]
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows, axis=0)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """4 x 4 patches of tissue."""
    path = tmp_path / "images" / "tissue.png"
    path.parent.mkdir()
    kinds = [["even", "even", "striped", "even"], *([["even", "dotted", "even", "even"]] * 3)]
    Image.fromarray(sheet(kinds)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, image: Path) -> Path:
    """Twelve patches, not labelled yet."""
    made = tmp_path / "patches_to_label"
    return cut_patches(image, made, ("tumour", "stroma"), count=12, side=SIDE, choice="random")
