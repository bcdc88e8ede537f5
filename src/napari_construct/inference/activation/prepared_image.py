"""An image as the network sees it: checked, at the model's resolution, padded, with its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from napari_construct.events import SizeAssumed
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.memory import check_result_size
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import (
    UNRELIABLE_FACTOR,
    model_shape,
    resample_image,
)
from napari_construct.inference.activation.tiling import TilePlan, pad_image, plan_tiles
from napari_construct.types import RGBImage

LEAST_SIDE: Final = 16
"""Shortest side in pixels an image may have."""


@runtime_checkable
class TileSettings(Protocol):
    """Settings of tiles and resolution."""

    @property
    def tile(self) -> int: ...

    @property
    def overlap(self) -> int: ...

    @property
    def mpp(self) -> float | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image at the model's resolution.

    Attributes
    ----------
    pixels : ndarray
        (h, w, 3) uint8 RGB, padded as the plan says.
    shape : tuple of int
        Rows and columns at the model's resolution, without the padding.
    plan : TilePlan
        Positions of the tiles.
    notices : tuple of str
        Notices on a change of resolution.
    mpp : float or None
        Micrometres per pixel of the image as it was given.
    """

    pixels: RGBImage
    shape: tuple[int, int]
    plan: TilePlan
    notices: tuple[str, ...]
    mpp: float | None

    def cells(self, stride: int) -> tuple[float, float]:
        """Extent of the image in cells of a map; the last cells may be cut."""
        return self.shape[0] / stride, self.shape[1] / stride


def prepare_image(
    image: RGBImage,
    predictor: Predictor,
    settings: TileSettings,
    *,
    mpp: float | None,
    name: str,
    maps: int,
    views: int = 1,
) -> PreparedImage:
    """Check an image and bring it to the model's resolution.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, at least 16 pixels a side.
    predictor : Predictor
        The model.
    settings : SegmentSettings or PrototypeSettings
        ``tile``, ``overlap`` and ``mpp`` are read.
    mpp : float or None
        Micrometres per pixel of the file or layer; ``settings.mpp`` overrides it.
    name : str
        Name of the image in errors and notices.
    maps : int
        Number of maps of the image's size in the result.
    views : int
        Number of views of each tile, whose maps are held apart.

    Raises
    ------
    InputError
        If the image is no RGB uint8, too small, too large for memory, or its resolution is far from
        the model's.
    """
    check_image(image, name)
    size = (image.shape[0], image.shape[1])
    mpp = settings.mpp if settings.mpp is not None else mpp
    shape = model_shape(size, mpp, predictor.mpp, name, predictor.scale)
    stride = predictor.checkpoint.config.map_stride
    # the sum over tiles and their mean, of every view
    check_result_size(size, maps, name, shape, grid=2 * 4 * maps * views / stride**2)
    plan = plan_tiles(shape, settings.tile, settings.overlap, predictor.spec.multiple)
    notices = _resolution_notices(name, size, shape, mpp, predictor)
    return PreparedImage(pad_image(resample_image(image, shape), plan.padded), shape, plan, notices, mpp)


def check_image(image: Any, name: str) -> None:
    """Refuse images other than RGB uint8 of at least 16 pixels a side."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{getattr(image, 'shape', type(image).__name__)} {getattr(image, 'dtype', '')}".strip()
        raise InputError(
            f"{name}: expected an RGB image of shape (h, w, 3) and type uint8, got {found}; "
            "convert it with napari_construct.data.images.as_rgb"
        )
    if min(image.shape[:2]) < LEAST_SIDE:
        raise InputError(
            f"{name}: expected at least {LEAST_SIDE} pixels a side, got {image.shape[0]} x {image.shape[1]}; "
            "use a larger region"
        )


def _resolution_notices(
    name: str, before: tuple[int, int], after: tuple[int, int], mpp: float | None, predictor: Predictor
) -> tuple[str, ...]:
    """What the user should know of a change of resolution."""
    if before == after:
        return ()
    if mpp is None or predictor.mpp is None:
        of_patches = "" if predictor.patch_mpp is None else f" ({predictor.patch_mpp:.4g} um per pixel)"
        sentence = (
            f"{name}: its resolution is unknown; it is assumed to be that of the training "
            f"patches{of_patches}; give its pixel size if it differs (--mpp, in Python mpp)"
        )
        return (SizeAssumed(sentence),)
    verb = "enlarged" if after[0] > before[0] else "reduced"
    sentence = (
        f"{name}: {mpp:.4g} um per pixel, the model was trained at {predictor.mpp:.4g}; the image is "
        f"{verb} from {before[0]} x {before[1]} to {after[0]} x {after[1]} pixels for the model; the "
        "result has the image's size"
    )
    if mpp / predictor.mpp > UNRELIABLE_FACTOR:
        sentence += ", but is unreliable: detail that the model looks for is missing"
    return (sentence,)
