"""A student on one channel with fixed random weights, and images of fluorescence that it looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LOOSE: Final[dict[str, Any]] = {"threshold": 0.5, "seed_threshold": 0.0, "min_area": 5}
"""Settings with which random weights, whose head is made steep, find some tens of cells."""


def save_student(path: Path, *, mpp: float | None = None, channels: tuple[str, ...] = ("nuclear",)) -> Path:
    """A checkpoint that needs no training: its foreground is above one half in about half of the pixels."""
    import torch

    from napari_construct.models.checkpoints.channel_checkpoint import (
        channel_checkpoint_of,
        save_channel_checkpoint,
    )
    from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet

    network = build_channel_unet(ChannelUNetConfig(encoder="mobilenet_v3", channels=channels), seed=0).eval()
    shape = (1, len(channels), 128, 128)
    with torch.inference_mode():
        seen = network(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
        for i, logits in enumerate((seen.foreground, seen.boundary)):
            steep = 2.0 / float(logits.std())
            network.head[0].weight[i] *= steep
            network.head[0].bias[i] = (float(network.head[0].bias[i]) - float(logits.mean())) * steep
    return save_channel_checkpoint(path, channel_checkpoint_of(network, mpp=mpp))


def nuclei(shape: tuple[int, int] = (128, 160), seed: int = 0) -> NDArray[np.uint16]:
    """Bright discs on dark, with noise."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image = draw.normal(200, 20, shape)
    for _ in range(12):
        y, x = draw.uniform(0, shape[0]), draw.uniform(0, shape[1])
        image[(rows - y) ** 2 + (columns - x) ** 2 < draw.uniform(5, 10) ** 2] += 2000
    return np.clip(image, 0, 65535).astype(np.uint16)
