"""Run the network on tiles and views of an image."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import torch

from napari_construct.events import Steps
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.distance_map import distance_map
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import prepare_image
from napari_construct.inference.activation.stitched_maps import stitched_maps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.cam import rescale
from napari_construct.refinement.views import VIEWS, View
from napari_construct.types import BoolMask, RGBImage


def cam_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    mpp: float | None = None,
    name: str = "image",
    valid: BoolMask | None = None,
) -> Steps[Activation]:
    """Run the network over an image, tile by tile and view by view.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    predictor : Predictor
        The model.
    settings : SegmentSettings, optional
        ``views``, ``tile``, ``overlap`` and ``mpp`` are read.
    mpp : float, optional
        Micrometres per pixel of the file or layer; ``settings.mpp`` overrides it.
    name : str
        Name of the image in events, errors and records.
    valid : ndarray, optional
        (h, w) bool, False where the image has no data, as :class:`~napari_construct.data.images.ImageFile`
        says: no class is there, and nothing there counts.

    Yields
    ------
    Event
        Stage "tiles", one per batch of tiles; a ``Notice`` when the image is resampled.

    Returns
    -------
    Activation
        CAM logits of the whole image.

    Raises
    ------
    InputError
        If the image is no RGB uint8, too small, too large for memory, without any data, or its resolution
        is far from the model's.
    """
    settings = settings or SegmentSettings()
    if valid is not None:
        _check_valid(valid, image, name)
    started, clock = datetime.now(UTC), time.perf_counter()
    views = VIEWS[settings.views or predictor.calibration.views]
    k = len(predictor.classes)
    seen = prepare_image(image, predictor, settings, mpp=mpp, name=name, maps=k, views=len(views))
    distances = distance_map(predictor, seen.plan) if View() in views else None
    maps, stride = yield from stitched_maps(seen, predictor, views=views, distances=distances)
    return Activation(
        image=image,
        logits=maps.mean(0),
        rescaled=rescale(torch.from_numpy(maps)).mean(0).numpy() if predictor.published else None,
        cells=seen.cells(stride),
        stride=stride,
        mpp=seen.mpp,
        distances=None if distances is None else distances.mean(),
        distance_cells=seen.cells(predictor.spec.multiple),
        distance_window=predictor.patch / predictor.spec.multiple,
        valid=valid,
        name=name,
        notices=seen.notices,
        record={
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.perf_counter() - clock,
            "tiles": len(seen.plan),
            "views": len(views),
            "shape_at_model_resolution": list(seen.shape),
        },
    )


def _check_valid(valid: BoolMask, image: RGBImage, name: str) -> None:
    if valid.shape != image.shape[:2]:
        raise InputError(
            f"{name}: expected valid of the image's shape {image.shape[:2]}, got {valid.shape}; pass both of "
            "the same file"
        )
    if not valid.any():
        raise InputError(
            f"{name}: expected an image, all of its pixels are transparent, which means no data; choose "
            "another region"
        )
