"""Logits of a model with the labels of images with masks.

Images are cut into windows of the patch size. A class is present in a window if it covers a twentieth of its
labelled pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from napari_construct.data.images import read_image
from napari_construct.events import Event, Steps, of_image
from napari_construct.exceptions import DatasetError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import spread
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.pooling import pool_logits
from napari_construct.training.calibration.labelled_logits import LabelledLogits, join
from napari_construct.training.calibration.validation import MaskedImages

PRESENT: Final = 0.05
"""Share of a window's known pixels from which a class counts as present."""

CELLS_OF_AN_IMAGE: Final = 4096


def masked_logits_steps(data: MaskedImages, predictor: Predictor) -> Steps[LabelledLogits]:
    """Logits of windows and cells of images with masks; mask values outside the classes are ignored."""
    data, parts = data.read_as(predictor.classes), []
    for done, (image_path, mask_path) in enumerate(data.pairs):
        yield Event("calibrate", done, len(data.pairs), image_path.name)
        image, (mask, _) = read_image(image_path), data.truth(mask_path)
        if mask.shape != image.pixels.shape[:2]:
            raise DatasetError(
                f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels "
                f"as its image has, got {mask.shape[0]} x {mask.shape[1]}; check the pair"
            )
        settings = SegmentSettings(mpp=image.mpp or data.mpp)
        steps = cam_steps(image.pixels, predictor, settings, name=image_path.name, valid=image.valid)
        activation = yield from of_image(steps, image_path.name)
        parts.append(of_activation(activation, image.known(mask), predictor))
    yield Event("calibrate", len(data.pairs), len(data.pairs))
    known = [part for part in parts if len(part.cells)]
    if not known:
        raise DatasetError(
            f"expected masks with pixels of the classes {', '.join(predictor.classes.names)}, got none; "
            f"check the masks' values{f': {data.reading.words}' if data.reading else ''} (--first-class)"
        )
    return join(known)


def of_activation(activation: Activation, mask: NDArray[np.uint8], predictor: Predictor) -> LabelledLogits:
    """Logits of one image's windows, and of up to ``CELLS_OF_AN_IMAGE`` of its cells."""
    k, rows, columns = activation.logits.shape
    # the pixel under the centre of a cell gives its class
    centres = [
        np.minimum((np.arange(n) + 0.5) * side / cells, side - 1).astype(np.intp)
        for n, side, cells in zip((rows, columns), activation.shape, activation.cells, strict=True)
    ]
    truth = mask[np.ix_(*centres)].astype(np.intp)
    side = max(predictor.patch // activation.stride, 1)
    pooled, labels = _windows(activation, truth, (min(side, rows), min(side, columns)), predictor)
    inside = np.flatnonzero(truth.ravel() < k)
    inside = inside[:: max(1, -(-len(inside) // CELLS_OF_AN_IMAGE))]
    return LabelledLogits(
        pooled,
        labels,
        activation.logits.reshape(k, -1).T[inside],
        truth.ravel()[inside],
        np.zeros(len(inside), dtype=np.intp),
        np.zeros(1, dtype=np.intp),
    )


def _windows(
    activation: Activation, truth: NDArray[np.intp], size: tuple[int, int], predictor: Predictor
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    k = len(activation.logits)
    maps, pooling = torch.from_numpy(activation.logits), predictor.checkpoint.config.pooling
    pooled, labels = np.zeros((0, k)), np.zeros((0, k), dtype=np.uint8)
    for y in spread(truth.shape[0], size[0], 0):
        for x in spread(truth.shape[1], size[1], 0):
            box = slice(y, y + size[0]), slice(x, x + size[1])
            counts = np.bincount(truth[box].ravel(), minlength=k)[:k]
            if 2 * counts.sum() < truth[box].size:
                continue  # mostly unlabelled: its score would be meaningless
            score = pool_logits(maps[None, :, *box], pooling)[0].double().numpy()
            pooled = np.concatenate([pooled, score[None]])
            labels = np.concatenate([labels, (counts >= PRESENT * counts.sum())[None].astype(np.uint8)])
    return pooled, labels
