"""Does the dense CRF make the masks of a model better? Asked of images with masks."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.events import Steps
from napari_construct.inference.predictor import Predictor, cam_steps, finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.training.validation import MaskedImages

MOST: Final = 8
"""Images that are looked at, evenly spread: a difference that more would have to show is none."""


def crf_helps_steps(data: MaskedImages, predictor: Predictor) -> Steps[bool]:
    """Whether the mean IoU with the CRF is at least that without it.

    Parameters
    ----------
    data : MaskedImages
        Mask values that are no class are left out.
    predictor : Predictor
        The calibrated model.

    Yields
    ------
    Event
        Those of the images' tiles.
    """
    k = len(predictor.classes)
    total = {crf: np.zeros((k, k + 1), dtype=np.int64) for crf in (True, False)}
    pairs = list(data.pairs)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(MOST, len(pairs))).round().astype(int))
    for image_path, mask_path in (pairs[i] for i in chosen.tolist()):
        image, truth = read_image(image_path), read_mask(mask_path)
        settings = SegmentSettings(mpp=image.mpp or data.mpp)
        activation = yield from cam_steps(image.pixels, predictor, settings, name=image_path.name)
        for crf in total:
            found = finish(activation, predictor, settings if crf else settings.changed(crf=None))
            total[crf] += confusion_matrix(truth, found.labels, k, range(k, 256))
    miou = {crf: scores_from_confusion(matrix)["miou"] for crf, matrix in total.items()}
    return bool(miou[True] >= miou[False])
