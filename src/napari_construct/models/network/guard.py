"""Out-of-distribution detection: how far features of an image are from those of the training patches.

A Gaussian is fitted to the mean features of training patches, and a window of an image is scored by its
Mahalanobis distance (Lee et al. 2018). The covariance is shrunk towards a multiple of the identity (Ledoit
and Wolf 2004), as there are few patches. The features are those of the model's own encoder, which are
computed anyway: of its finest level, whose few channels describe nuclei and fibres. Training makes deeper
levels forget what the classes do not need, and their many channels are more than the patches can describe
(docs/out_of_distribution.md has the measurements). Beside them stands the colour, as encoders that see local
contrast do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.encoders.networks.contrast import optical_density
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.types import ShortRepr

MAX_CHANNELS: Final = 160
"""Channels of the encoder in a guard; of more, some are drawn (Defard et al. 2021), so that it stays below
0.2 MB."""

COLOURS: Final = 3
"""Channels of the colour, after those of the encoder: optical density of red, green and blue by their mean.
It is the colour of the stain, whether there is much or little of it."""

COLOUR_WEIGHT: Final = 0.25
"""Weight of the colour's squared distance; that of the features weighs 1. Scanners differ in colour, too."""

_NO_STAIN: Final = 0.05
"""Optical density below which the colour fades to zero."""

WINDOW: Final = 0.5
"""Side of a window by that of a training patch."""

SIZES: Final = (1, 4, 16)
"""Windows of an image for which a guard has limits: the median of many varies less than a single one."""

FARTHEST: Final = 1e6
"""Largest distance, so that records hold numbers."""

_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Guard(ShortRepr):
    """Training patches as a Gaussian of features, and the distance up to which an image is like them.

    Attributes
    ----------
    levels : tuple of int
        Levels of the encoder whose channels are used.
    channels : Tensor
        (d,) int64, indices into the joined channels of these levels and the colour after them.
    mean : Tensor
        (d,) float32.
    whitening : Tensor
        (d, d) float32; the distance of x is the norm of ``whitening @ (x - mean)``, divided by sqrt(d), so
        that it is about one for a training patch.
    limits : tuple of float
        Median distance above which an image of 1, 4 and 16 windows (:data:`SIZES`) is unlike the training
        patches.
    patches, groups : int
        Training patches and slides (patients) it is made from; no groups if they are not known.
    """

    levels: tuple[int, ...]
    channels: Tensor
    mean: Tensor
    whitening: Tensor
    limits: tuple[float, float, float]
    patches: int
    groups: int = 0

    def state(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {"channels": self.channels, "mean": self.mean, "whitening": self.whitening}

    def limit(self, windows: float) -> float:
        """The limit of an image as large as so many windows side by side."""
        return float(np.interp(np.log(max(windows, 1e-9)), np.log(SIZES), self.limits))

    def distances(self, features: Float[Tensor, "... c"]) -> Float[Tensor, ...]:
        """Distances of features with the joined channels of the levels; see :func:`window_features`."""
        d = len(self.mean)
        centred = features.float()[..., self.channels.to(features.device)] - self.mean.to(features.device)
        found = torch.linalg.vector_norm(centred @ self.whitening.to(features.device).T, dim=-1) / d**0.5
        bounded: Tensor = found.nan_to_num(FARTHEST, FARTHEST).clamp_max(FARTHEST)
        return bounded


USED_LEVELS: Final = (0,)
"""Levels whose channels a new guard uses; earlier ones used the last but one."""


def chosen_channels(spec: EncoderSpec, levels: Sequence[int]) -> Tensor:
    """(d,) int64 indices into the joined channels: all of the levels, or drawn ones, and the colour."""
    count = sum(spec.channels[level] for level in levels)
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:MAX_CHANNELS]
    return torch.cat([drawn.sort().values, torch.arange(count, count + COLOURS)])


def window_cells(window: float, cell: int, cells: int) -> int:
    """Side of a window in cells, in an image of so many."""
    return min(max(round(window / cell), 1), cells)


def window_features(
    levels: Sequence[Tensor], used: Sequence[int], images: Float[Tensor, "b 3 h w"], cell: int, window: float
) -> Float[Tensor, "b rows columns c"]:
    """Mean features of a window around every cell of an image, and its colour.

    Parameters
    ----------
    levels : sequence of Tensor
        (b, c_l, h_l, w_l), of an encoder.
    used : sequence of int
        Of them.
    images : Tensor
        (b, 3, h, w) RGB in [0, 1], whose levels they are; sides are multiples of ``cell``.
    cell : int
        Side of a cell in pixels.
    window : float
        Side of a window in pixels, rounded to cells; at the border it is moved into the image.
    """
    grid = (max(images.shape[-2] // cell, 1), max(images.shape[-1] // cell, 1))
    rows, columns = (window_cells(window, cell, n) for n in grid)
    maps = [*(levels[i].float() for i in used), optical_density(images.float())]
    joined = torch.cat([F.adaptive_avg_pool2d(one, grid) for one in maps], 1)
    means = F.avg_pool2d(joined, (rows, columns), stride=1)
    at = [
        (torch.arange(n, device=means.device) - (size - 1) // 2).clamp(0, n - size)
        for n, size in zip(grid, (rows, columns), strict=True)
    ]
    found = means[:, :, at[0]][:, :, :, at[1]].permute(0, 2, 3, 1)
    density = found[..., -COLOURS:]
    colour = density / (density.mean(-1, keepdim=True) + _NO_STAIN)
    return torch.cat([found[..., :-COLOURS], colour], -1)


def fit_familiar(features: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Mean (d,) and whitening (d, d) of features (n, d), of which the last are the colour.

    Features and colour have a Gaussian each. The squared distance is the weighted mean of both, as the few
    channels of the colour would be lost among the features.
    """
    d = features.shape[-1]
    parts = (slice(0, d - COLOURS), 1.0), (slice(d - COLOURS, d), COLOUR_WEIGHT)
    mean, whitening = torch.zeros(d), torch.zeros(d, d)
    for part, weight in parts:
        mean[part], root = fit_gaussian(features[:, part])
        share = weight / (1 + COLOUR_WEIGHT)
        whitening[part, part] = root * (share * d / len(root)) ** 0.5
    return mean, whitening


def fit_gaussian(features: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Mean (d,) and whitening (d, d) of features (n, d), float32."""
    mean = features.mean(0)
    spread = np.maximum(features.std(0), _LEAST_SPREAD)
    covariance = ledoit_wolf((features - mean) / spread)
    # P = L L^T, so |L^T z|^2 = z^T P z
    root = np.linalg.cholesky(np.linalg.inv(covariance)).T / spread
    return torch.from_numpy(mean).float(), torch.from_numpy(root).float()


def ledoit_wolf(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance (d, d) of centred samples (n, d), shrunk towards a multiple of the identity.

    ``(1 - r) S + r m I`` with the sample covariance S, its mean variance m, and the r that minimises the
    expected squared error (Ledoit and Wolf 2004, lemma 3.2 to 3.4). Without any variance it is the identity.
    """
    n, d = centred.shape
    sample = centred.T @ centred / n
    variance = np.trace(sample) / d
    if variance <= 0:
        return np.eye(d)
    target = variance * np.eye(d)
    distance = ((sample - target) ** 2).sum()
    error = (((centred**2).sum(1) ** 2).sum() / n - (sample**2).sum()) / n
    shrinkage = 1.0 if distance <= 0 else min(max(error / distance, 0.0), 1.0)
    # a floor keeps the inverse finite where the samples span too little
    shrunk: NDArray[np.float64] = (1 - shrinkage) * sample + max(shrinkage, 1e-6) * target
    return shrunk
