"""A small pyramidal slide for tests of the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile


def write_pyramid(
    path: Path, image: np.ndarray, steps: tuple[int, ...] = (1, 2, 4), mpp: float | None = 0.25, **more: Any
) -> Path:
    """A TIFF without loss, one page a level, each the mean of areas; ``mpp`` None states none."""
    options: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate"} | more
    if mpp is not None:
        options |= {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for step in steps:
            h, w = (side // step for side in image.shape[:2])
            means = image[: h * step, : w * step].reshape(h, step, w, step, 3).mean((1, 3))
            file.write(means.round().astype(np.uint8), metadata=None, subfiletype=int(step > 1), **options)
    return path
