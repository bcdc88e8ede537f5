"""A part of a slide as one image, at the model's resolution: what is segmented without the rest."""

from __future__ import annotations

import math
from typing import NamedTuple

from napari_construct.data.images import ImageFile
from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.slides.slide import Slide
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.memory import check_result_size
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.slides.pixels import at_model_resolution
from napari_construct.settings import Chosen
from napari_construct.types import RGBImage


class SlidePart(NamedTuple):
    """A part of a slide as an image.

    Attributes
    ----------
    pixels : ndarray
        (h, w, 3) uint8 RGB.
    mpp : float or None
        Micrometres per pixel of ``pixels``.
    step : tuple of float
        Height and width of such a pixel in pixels of level 0.
    window : tuple of slice
        Rows and columns of level 0 that were read: whole pixels of the result.
    """

    pixels: RGBImage
    mpp: float | None
    step: tuple[float, float]
    window: tuple[slice, slice]


def read_slide_part(
    slide: Slide,
    predictor: Predictor,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
    *,
    mpp: float | None = None,
) -> SlidePart:
    """Read a part of a slide at the resolution of a model, as for the whole slide.

    The pixels are those that :func:`~napari_construct.segment_slide` looks at; borders are moved outwards to
    the next of them where a whole number of pixels is averaged. A slide that is coarser than the model, or of
    unknown resolution, is read as it is.

    Parameters
    ----------
    slide : Slide
        The slide.
    predictor : Predictor
        The model, of :func:`~napari_construct.load_model`.
    rows, columns : tuple of int, optional
        First and after the last row and column of level 0; all of them by default.
    mpp : float, optional
        Micrometres per pixel of level 0, in place of what the slide states.

    Raises
    ------
    InputError
        If the part lies outside of the slide, has more pixels than one image may have or than can be
        segmented in the memory of this machine, or the slide's resolution is far from the model's.
    """
    (top, bottom), (left, right) = (
        (0, side) if span is None else (max(span[0], 0), min(span[1], side))
        for span, side in zip((rows, columns), slide.shape, strict=True)
    )
    if bottom <= top or right <= left:
        raise InputError(
            f"{slide.name}: expected rows and columns inside of {slide.shape[0]} x {slide.shape[1]} pixels, "
            f"got rows {rows} and columns {columns}; choose a part of the slide"
        )
    sides = slide.mpp if mpp is None else (mpp, mpp)
    steps = (1.0, 1.0)
    if sides is not None:
        seen = at_model_resolution(slide, sides, predictor.mpp, predictor.scale)
        steps = seen.step if min(seen.step) > 1 else steps
        whole = [int(step) for step in steps]
        if steps == (float(whole[0]), float(whole[1])):
            shape = slide.shape if steps == (1.0, 1.0) else seen.shape
            top, bottom = _outward(top, bottom, whole[0], shape[0])
            left, right = _outward(left, right, whole[1], shape[1])
    size = max(1, round((bottom - top) / steps[0])), max(1, round((right - left) / steps[1]))
    _check(slide, size, len(predictor.classes))
    exact = (bottom - top) / size[0], (right - left) / size[1]
    pixels = slide.sampled((float(top), float(bottom)), (float(left), float(right)), size)
    found = None if sides is None else _mean(sides[0] * exact[0], sides[1] * exact[1])
    return SlidePart(pixels, found, exact, (slice(top, bottom), slice(left, right)))


def slide_image(
    slide: Slide, predictor: Predictor, part: tuple[slice, slice], settings: Chosen
) -> tuple[ImageFile, Chosen]:
    """:func:`read_slide_part` as the image of a file, and settings whose ``mpp`` is applied already.

    Raises
    ------
    InputError
        As of :func:`read_slide_part`.
    """
    given = getattr(settings, "mpp", None)
    rows, columns = (_span(span, side) for span, side in zip(part, slide.shape, strict=True))
    found = read_slide_part(slide, predictor, rows, columns, mpp=given)
    image = ImageFile(found.pixels, found.mpp, slide.notices, slide.path)
    return image, settings if given is None else settings.changed(mpp=None)


def _span(span: slice, side: int) -> tuple[int, int]:
    first, last, _ = span.indices(side)
    return first, last


def _outward(first: int, last: int, step: int, count: int) -> tuple[int, int]:
    """A span moved to whole steps, of which there are so many."""
    begin = min(first // step, count - 1)
    return begin * step, max(min(math.ceil(last / step), count), begin + 1) * step


def _mean(down: float, across: float) -> float:
    return across if down == across else math.sqrt(down * across)


def _check(slide: Slide, size: tuple[int, int], classes: int) -> None:
    remedy = "zoom in (a smaller region), or segment the whole slide"
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"{slide.name}: expected a part of at most {MAX_PIXELS:,} pixels at the model's resolution, got "
            f"{size[0]} x {size[1]}; {remedy}"
        )
    try:
        check_result_size(size, classes, slide.name)
    except InputError as error:
        raise InputError(f"{error}; that is: {remedy}") from error
