"""Prototypes from regions that the user marked, for encoders without text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.inference.activation.resample import resample_image
from napari_construct.inference.zero_shot.network import ZeroShotNet, dense_features
from napari_construct.models.network.construct import INITIAL_SCALE
from napari_construct.types import RGBImage

Example = tuple[RGBImage, npt.NDArray[np.uint8]]
"""An image (h, w, 3) and a mask (h, w) of class indices; other values are ignored."""


def net_from_examples(
    encoder: Encoder, examples: Iterable[Example], k: int, scale: float | None
) -> ZeroShotNet:
    """Prototypes are the mean standardised features of each class's example regions."""
    if k < 2:
        raise ConfigurationError(
            "expected at least two classes with examples, got one; add examples of another class"
        )
    found: list[list[Tensor]] = [[] for _ in range(k)]
    for image, mask in examples:
        features, shares = _example_features(encoder, image, mask, k)
        for i in range(k):
            found[i].append(features[shares[i] > 0.5])
    classes = [torch.cat(parts) if parts else torch.empty(0, 1) for parts in found]
    empty = [i for i, rows in enumerate(classes) if not len(rows)]
    if empty:
        raise InputError(
            f"expected example regions of every class, got none of class {empty[0]} (value {empty[0]} in the "
            "masks); mark a larger region"
        )
    means = torch.stack([rows.mean(0) for rows in classes])
    centre = means.mean(0)  # of the classes, not of the pixels: a large region counts no more
    spread = torch.cat(classes).std(0).clamp_min(1e-6)
    prototypes = F.normalize((means - centre) / spread, dim=-1)[:, None]
    return ZeroShotNet(encoder, prototypes, scale or INITIAL_SCALE, None, centre=centre, spread=spread)


def resampled(image: RGBImage, mask: npt.NDArray[np.uint8], factor: float) -> Example:
    """An example at the encoder's resolution; masks keep their values."""
    if image.shape[:2] != mask.shape:
        raise InputError(
            f"expected a mask of the image's size, got {mask.shape} for {image.shape[:2]}; check the pair"
        )
    h, w = (max(round(side * factor), 1) for side in mask.shape)
    rows = np.minimum((np.arange(h) + 0.5) / factor, mask.shape[0] - 1).astype(np.intp)
    columns = np.minimum((np.arange(w) + 0.5) / factor, mask.shape[1] - 1).astype(np.intp)
    return resample_image(image, (h, w)), mask[np.ix_(rows, columns)]


def _example_features(
    encoder: Encoder, image: RGBImage, mask: npt.NDArray[np.uint8], k: int
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "k n"]]:
    """Features of an image's cells, and how much of each cell belongs to each class."""
    multiple = encoder.spec.multiple
    h, w = (side // multiple * multiple for side in image.shape[:2])
    if not h or not w:
        raise InputError(
            f"expected examples of at least {multiple} pixels a side at the encoder's resolution, got "
            f"{image.shape[:2]}; choose larger ones"
        )
    pixels = torch.from_numpy(np.array(image[:h, :w])).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        features = dense_features(encoder, pixels)[0].float().cpu()
    values = torch.from_numpy(np.array(mask[:h, :w]))
    classes = torch.stack([(values == i).float() for i in range(k)])[None]
    shares = F.adaptive_avg_pool2d(classes, (features.shape[-2], features.shape[-1]))[0]
    return features.flatten(1).T.clone(), shares.flatten(1)
