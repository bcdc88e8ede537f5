"""Which layers are segmented as whole slides, and at which size of a pixel."""

from __future__ import annotations

import math
from typing import Any, Final

from napari_construct.data.slides.slide import Slide
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.layers.pixel_size import pixel_size
from napari_construct.widgets.layers.slides import is_large, slide_of

_PICTURES: Final = frozenset({"tiff", "ome-tiff", "ome-zarr"})
"""Formats of slides that ordinary pictures have, too."""
_SAME: Final = 1e-3


def whole_slide(layer: Any) -> Slide | None:
    """The slide of a layer, unless it is a picture: of no scanner, of one level, and small."""
    slide = None if layer is None else slide_of(layer)
    if slide is None:
        return None
    return slide if is_large(slide) or len(slide.levels) > 1 or slide.format not in _PICTURES else None


def slide_settings(settings: SegmentSettings, slide: Slide, layer: Any) -> SegmentSettings:
    """The settings with the layer's pixel size, where neither they nor the file say the same."""
    size = pixel_size(layer).mpp
    if settings.mpp is not None or size is None:
        return settings
    if slide.mpp is not None and math.isclose(size, math.sqrt(math.prod(slide.mpp)), rel_tol=_SAME):
        return settings
    return settings.changed(mpp=size)
