"""Pseudo masks of training patches, made by the first stage for the second.

The classes of a patch are known from its label, so the first stage only decides where each of them is.
Its probabilities over all classes show pixels where label and prediction disagree. These are left out: a
wrong pixel harms more than a missing one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_construct.events import Event, Steps, run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.views.partial_masks import UNKNOWN
from napari_construct.training.views.patches import PatchStore
from napari_construct.types import RGBImage


def pseudo_mask_steps(
    patches: PatchStore,
    indices: Sequence[int],
    labels: ArrayLike,
    first: Predictor,
    config: SecondStageConfig,
) -> Steps[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Patches as the network sees them, and a mask for each.

    Parameters
    ----------
    patches : PatchStore
        Of the resolution that the first stage expects.
    indices : sequence of int
        Patches to use.
    labels : array_like
        (n, k) image-level labels of all patches.
    first : Predictor
        The first stage.
    config : SecondStageConfig
        ``min_confidence``, ``views`` and ``crf`` are read.

    Returns
    -------
    images, masks : ndarray
        (m, h, w, 3) uint8 RGB, and (m, h, w) uint8: class ``i`` is value ``i``, 255 is unknown.
    """
    images: list[RGBImage] = []
    masks: list[NDArray[np.uint8]] = []
    truth = np.asarray(labels) > 0
    mpp = None if config.patch_mpp is None else config.patch_mpp / patches.view.shrink
    first = first.rescaled(first.scale / patches.view.shrink)  # the patches are shrunk already
    for done, index in enumerate(indices):
        yield Event("pseudo masks", done, len(indices), patches.paths[index].name)
        image = patches.batch([index]).numpy()[0]
        images.append(image)
        masks.append(pseudo_mask(image, truth[index].tolist(), first, config, mpp))
    yield Event("pseudo masks", len(indices), len(indices))
    return np.stack(images), np.stack(masks)


def pseudo_mask(
    image: RGBImage,
    present: Sequence[bool],
    first: Predictor,
    config: SecondStageConfig,
    mpp: float | None = None,
) -> NDArray[np.uint8]:
    """Mask (h, w) of a patch whose classes are known; glass, and a patch without classes, are unknown."""
    names = first.classes.names
    named = tuple(name for name, there in zip(names, present, strict=True) if there)
    if not named:
        return np.full(image.shape[:2], UNKNOWN, dtype=np.uint8)
    settings = SegmentSettings(classes=names, views=config.views, crf=None)
    activation = run(cam_steps(image, first, settings, mpp=mpp))
    believed = finish(activation, first, settings).probabilities
    labels = finish(activation, first, settings.changed(classes=named, crf=config.crf)).labels
    chosen = np.maximum(labels, 1)[None].astype(np.intp) - 1
    sure = np.take_along_axis(believed, chosen, 0)[0] >= config.min_confidence
    mask: NDArray[np.uint8] = np.where((labels > 0) & sure, chosen[0], UNKNOWN).astype(np.uint8)
    return mask
