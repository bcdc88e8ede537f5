"""Small sets of cells, written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

NUMBERS = np.random.default_rng(0)


def labels(height: int = 40, width: int = 50, shift: int = 0) -> np.ndarray:
    """Three cells; the first two touch."""
    out = np.zeros((height, width), np.uint16)
    out[2 + shift : 10 + shift, 3:12] = 5
    out[2 + shift : 10 + shift, 12:20] = 9
    out[20:30, 30:45] = 300
    return out


def write_tiff(path: Path, names: tuple[str, ...] = ("DAPI", "CK"), mpp: float | None = None) -> np.ndarray:
    """An OME-TIFF of float channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = NUMBERS.random((len(names), 40, 50), dtype=np.float32)
    about: dict[str, Any] = {"axes": "CYX", "Channel": {"Name": list(names)}}
    if mpp:
        about |= {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
    tifffile.imwrite(path, pixels, ome=True, metadata=about)
    return pixels


def write_png(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(pixels))
    return pixels


def write_tissuenet(path: Path, count: int = 6, *, packed: bool = True, **more: Any) -> dict[str, np.ndarray]:
    """An npz file as TissueNet's; ``more`` replaces and adds arrays, None takes one away."""
    whole = np.stack([labels(shift=i % 5) for i in range(count)]).astype(np.int64)
    arrays = {
        "X": NUMBERS.random((count, 40, 50, 2), dtype=np.float32),
        "y": np.stack([whole, np.where(whole == 5, 2, 0)], axis=-1),
        **more,
    }
    arrays = {name: array for name, array in arrays.items() if array is not None}
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return arrays
