"""Choose the number of views and the dense CRF on images with masks."""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from napari_construct.crf import CRFParameters
from napari_construct.data.images import read_image
from napari_construct.events import Steps, of_image
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.models.network.calibration import ViewsName
from napari_construct.training.calibration.validation import MaskedImages

MOST: Final = 8
"""Images that are looked at, evenly spread: a difference that more would have to show is none."""

WORTH: Final = 0.001
"""Mean IoU that four views must gain, since they take four times longer."""


def best_choices_steps(data: MaskedImages, predictor: Predictor) -> Steps[tuple[ViewsName, bool]]:
    """Number of views (one or four) and CRF (on or off) with the best mean IoU.

    A second-stage network, made for one pass, and the published preset keep their views.

    Parameters
    ----------
    data : MaskedImages
        Mask values outside the classes are ignored.
    predictor : Predictor
        The calibrated model.

    Yields
    ------
    Event
        Those of the images' tiles.
    """
    settled = predictor.published or predictor.checkpoint.config.network == "unet"
    views: tuple[ViewsName, ...] = (predictor.calibration.views,) if settled else ("one", "four")
    data = data.read_as(predictor.classes)
    k, pairs = len(predictor.classes), list(data.pairs)
    total = {choice: np.zeros((k, k + 1), dtype=np.int64) for choice in product(views, (True, False))}
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(MOST, len(pairs))).round().astype(int))
    for image_path, mask_path in (pairs[i] for i in chosen.tolist()):
        image, (truth, _) = read_image(image_path), data.truth(mask_path)
        for name in views:
            settings = SegmentSettings(mpp=image.mpp or data.mpp, views=name, crf=CRFParameters())
            steps = cam_steps(image.pixels, predictor, settings, name=image_path.name, valid=image.valid)
            activation = yield from of_image(steps, image_path.name)
            for crf in (True, False):
                found = finish(activation, predictor, settings if crf else settings.changed(crf=None))
                total[name, crf] += confusion_matrix(image.known(truth), found.labels, k, range(k, 256))
    worth = {
        (name, crf): scores_from_confusion(matrix)["miou"] - WORTH * (name != "one")
        for (name, crf), matrix in total.items()
    }
    return max(worth, key=lambda choice: worth[choice])  # the first of equals: one view, with the CRF
