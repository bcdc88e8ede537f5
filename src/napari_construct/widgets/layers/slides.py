"""Which whole slide an image layer shows, so that jobs read its file at any resolution."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from napari.layers import Image

from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.resolution import Stated, chosen
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.exceptions import InputError
from napari_construct.widgets.layers.slide_levels import SlideArray

SLIDE_KEY: Final = "napari_construct slide"
"""Key, in a layer's metadata, of what the reader noted: path, image, format, mpp and notices."""

_KEPT: Final = 8
_PATCH: Final = 64
_DIFFERENCE: Final = 6.0
"""Mean difference of brightness, of 255, of the same pixels from two decoders of JPEG."""

_Known = OrderedDict[Hashable, tuple[tuple[object, ...], Slide | None]]
_known: Final[_Known] = OrderedDict()
_lock: Final = Lock()


def slide_options(slide: Slide) -> dict[str, Any]:
    """Options of an image layer of a slide's arrays: place, colours, and where it came from."""
    about = {
        "path": str(slide.path.absolute()),
        "image": slide.image,
        "format": slide.format,
        "mpp": slide.mpp,
        "notices": tuple(map(str, slide.notices)),
    }
    place: dict[str, Any] = {}
    if slide.mpp is not None:
        place = {"scale": slide.mpp, "units": ("micrometer",) * 2}
    return {
        "name": slide.path.stem.removesuffix(".ome"),
        "rgb": True,
        "multiscale": True,
        "contrast_limits": (0, 255),
        "metadata": {SLIDE_KEY: about},
        **place,
    }


def slide_of(layer: Any) -> Slide | None:
    """The slide that an image layer shows; None for other layers.

    It is a layer of this plugin's reader, or one whose file is a slide with the layer's pixels, whoever read
    it. The slide stays open as long as the layer's data; of files of other readers the last ones do.
    """
    if not isinstance(layer, Image) or not layer.rgb or layer.ndim != 2:
        return None
    first = layer.data[0] if layer.multiscale else layer.data
    if isinstance(first, SlideArray):
        return first.origin[0]
    path = slide_file(layer)
    if path is None:
        return None
    try:
        about = Path(path).stat()
    except (OSError, ValueError):
        return None
    key = path, about.st_mtime_ns, about.st_size, id(first)
    with _lock:
        if layer.unique_id in _known and _known[layer.unique_id][0] == key:
            _known.move_to_end(layer.unique_id)
            return _known[layer.unique_id][1]
        found = _opened(path, _noted(layer).get("image"), first)
        _known[layer.unique_id] = key, found
        while len(_known) > _KEPT:
            _, (_, former) = _known.popitem(last=False)
            if former is not None:
                former.close()  # asked for pixels again, it opens again
        return found


def is_large(slide: Slide) -> bool:
    """Whether a slide is not read as one image, as on the command line."""
    return slide.shape[0] * slide.shape[1] > MAX_PIXELS


def read_from_file(layer: Any) -> Slide | None:
    """The slide whose file jobs read in place of a layer's data: of our reader, and of any large layer."""
    first = layer.data[0] if layer.multiscale else layer.data
    large = layer.ndim == 2 and first.shape[0] * first.shape[1] > MAX_PIXELS
    return slide_of(layer) if large or isinstance(first, SlideArray) else None


def slide_file(layer: Any) -> str | None:
    """The file that a layer came from, by napari or by this plugin's reader; None where neither says."""
    path = layer.source.path
    if path is None:
        path = _noted(layer).get("path")
    return None if path is None else str(path)


def slide_size(layer: Any) -> float | None:
    """Micrometres per pixel of a slide's layer, as of one image of the file, while its scale is that.

    Of sides that differ little it is the width, as the command line takes it.
    """
    mpp = _noted(layer).get("mpp")
    if mpp is None or tuple(layer.scale) != tuple(mpp):
        return None
    return chosen([Stated(float(mpp[1]), float(mpp[0]), "slide")], "slide").mpp


def _noted(layer: Any) -> Mapping[str, Any]:
    known = layer.metadata.get(SLIDE_KEY, {})
    return known if isinstance(known, Mapping) else {}


def _opened(path: str, image: int | None, first: Any) -> Slide | None:
    """The slide of a file, if its pixels are those of an array."""
    try:
        slide = open_slide(path, image=image)
    except InputError:
        return None
    try:
        if _same_pixels(slide, first):
            return slide
    except (InputError, OSError, ValueError, TypeError, IndexError):
        pass
    slide.close()
    return None


def _same_pixels(slide: Slide, first: Any) -> bool:
    """Whether an array has the slide's shape, and in three places its pixels."""
    shape = tuple(first.shape)
    if shape[:2] != slide.shape or np.dtype(first.dtype) != np.uint8:
        return False
    for share in (0.25, 0.5, 0.75):
        top, left = (int(max(side - _PATCH, 0) * share) for side in shape[:2])
        height, width = (min(_PATCH, side) for side in shape[:2])
        shown = np.asarray(first[top : top + height, left : left + width])[..., :3]
        stored = slide.read(0, top, left, height, width)
        if np.abs(shown.astype(np.int16) - stored).mean() > _DIFFERENCE:
            return False
    return True
