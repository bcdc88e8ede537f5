"""A slide at the resolution of the model: pixels of any rectangle, read when they are asked for."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from napari_construct.data.slides.slide import Slide
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import LARGEST_FACTOR, TOLERANCE, model_factor
from napari_construct.types import RGBImage


@runtime_checkable
class Pixels(Protocol):
    """An image that is read in parts."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    def read(self, top: int, left: int, height: int, width: int) -> RGBImage:
        """(height, width, 3) uint8 RGB; the rectangle lies inside."""
        ...


def read_padded(pixels: Pixels, top: int, left: int, height: int, width: int) -> RGBImage:
    """A rectangle that may reach over the lower and right border, where the image is reflected."""
    shape = pixels.shape
    rows, columns = min(height, shape[0] - top), min(width, shape[1] - left)
    inside = pixels.read(top, left, rows, columns)
    if (rows, columns) == (height, width):
        return inside
    return np.pad(inside, ((0, height - rows), (0, width - columns), (0, 0)), mode="reflect")


class SlidePixels:
    """A slide resampled to a number of rows and columns.

    Parameters
    ----------
    slide : Slide
        Level 0 of it is what is resampled, by area.
    shape : tuple of int
        Rows and columns.
    step : tuple of float
        Height and width of a pixel in pixels of level 0.
    """

    def __init__(self, slide: Slide, shape: tuple[int, int], step: tuple[float, float]) -> None:
        self._slide, self._shape, self._steps = slide, shape, step

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def step(self) -> tuple[float, float]:
        """Height and width of a pixel in pixels of level 0."""
        return self._steps

    def read(self, top: int, left: int, height: int, width: int) -> RGBImage:
        down, across = self._steps
        rows, columns = (top * down, (top + height) * down), (left * across, (left + width) * across)
        return self._slide.sampled(rows, columns, (height, width))


def model_pixels(
    slide: Slide, predictor: Predictor, given: float | None
) -> tuple[SlidePixels, tuple[float, float] | None]:
    """A slide as a model looks at it, and the micrometres per pixel of level 0 that were used.

    Those ``given`` go before those of the slide.

    Raises
    ------
    InputError
        If they are unknown and the model needs them, or far from the model's.
    """
    mpp = slide.mpp if given is None else (given, given)
    if mpp is None and predictor.mpp is not None:
        slide.required_mpp()
    return at_model_resolution(slide, mpp, predictor.mpp, predictor.scale), mpp


def at_model_resolution(
    slide: Slide, mpp: tuple[float, float] | None, model_mpp: float | None, scale: float
) -> SlidePixels:
    """A slide at a model's resolution.

    Where a whole number of pixels comes within a tenth of it, that number is taken: such pixels are means of
    whole ones, and often a level of the file. A resolution that near is not worth more
    (:data:`~napari_construct.inference.activation.resample.TOLERANCE`). What is left of a pixel at the lower
    and right border is cut off.

    Parameters
    ----------
    slide : Slide
        The slide.
    mpp : tuple of float or None
        Micrometres per pixel of level 0, rows and columns.
    model_mpp : float or None
        Of the model.
    scale : float
        Factor if one of both is unknown: that of the training patches.

    Raises
    ------
    InputError
        If slide and model differ more than eightfold.
    """
    steps = [1 / model_factor(None if mpp is None else mpp[axis], model_mpp, scale) for axis in (0, 1)]
    known = mpp is not None and model_mpp is not None
    if known and not all(1 / LARGEST_FACTOR <= step <= LARGEST_FACTOR for step in steps):
        raise InputError(
            f"{slide.name}: expected a slide within {LARGEST_FACTOR:g} times of the model's {model_mpp:g} um "
            f"per pixel, got {mpp}; correct the resolution (mpp), or use another model"
        )
    whole = [max(round(step), 1) for step in steps]
    if all(abs(step / number - 1) <= TOLERANCE for step, number in zip(steps, whole, strict=True)):
        steps = [float(number) for number in whole]
    rows, columns = (max(int(size / step), 1) for size, step in zip(slide.shape, steps, strict=True))
    return SlidePixels(slide, (rows, columns), (steps[0], steps[1]))
