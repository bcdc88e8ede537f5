"""Slides of scanners' own formats through OpenSlide: NDPI, MRXS, SCN, BIF, DICOM, Philips, VMS, CZI ..."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np
import openslide
from PIL import Image

from napari_construct.data.limits import MAX_PIXELS, check_size, damaged
from napari_construct.data.resolution import PixelSize, Stated, chosen, number
from napari_construct.data.rgb import on_white
from napari_construct.data.slides.facts import SlideFacts, SlideLevel, levels_of, no_such_name
from napari_construct.data.slides.tiles import CACHE_BYTES
from napari_construct.data.tiff.choice import open_image
from napari_construct.data.tiff.pixel_size import stated_by_tiff
from napari_construct.exceptions import InputError
from napari_construct.types import RGBImage

_GENERIC: Final = "generic-tiff"
_T = TypeVar("_T")


class OpenSlideReader:
    """A slide as OpenSlide reads it: overlapping tiles stitched, several scanned parts in one plane.

    Of a plane with more than was scanned (MRXS and SCN lay out all glass) it is the rectangle that was,
    ``openslide.bounds-*``, as in QuPath, whose coordinates count from its corner.

    Parameters
    ----------
    path : Path
        The file; of formats of several files the one that OpenSlide asks for. It is checked before that it is
        a regular file, and a TIFF's directories are within bounds.

    Raises
    ------
    InputError
        If OpenSlide cannot read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._slide = self._open()
        try:
            self.facts, self._kept, self._factors, self._corner = self._found()
        except BaseException:
            self.close()
            raise

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
        factor = self._factors[level]
        place = self._corner[1] + round(left * factor), self._corner[0] + round(top * factor)
        image = self._asked(lambda: self._slide.read_region(place, self._kept[level], (width, height)))
        return _laid_on_white(image)

    def associated_image(self, name: str) -> RGBImage:
        if name not in self.facts.associated:
            raise no_such_name(self._path, name, self.facts.associated)
        properties = self._slide.properties
        sides = (
            number(properties.get(f"openslide.associated.{name}.{side}")) for side in ("height", "width")
        )
        height, width = (int(side or 0) for side in sides)
        check_size(self._path, height, width, MAX_PIXELS, min_side=1)
        return _laid_on_white(self._asked(lambda: self._slide.associated_images[name]))

    def close(self) -> None:
        self._slide.close()

    def _open(self) -> openslide.OpenSlide:
        try:
            slide = openslide.OpenSlide(self._path)
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            raise damaged(self._path, error) from error
        slide.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        return slide

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What OpenSlide answers. A handle that has failed once fails ever after, and is replaced."""
        try:
            return ask()
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            with self._lock, contextlib.suppress(InputError):
                self._slide = self._open()
            raise damaged(self._path, error) from error

    def _found(self) -> tuple[SlideFacts, list[int], list[float], tuple[int, int]]:
        slide = self._slide
        properties = dict(slide.properties)
        shapes = [(height, width) for width, height in slide.level_dimensions]
        kept, levels, notices = levels_of(str(self._path), shapes)
        corner, scanned = _scanned(properties, shapes[0])
        if scanned != shapes[0]:
            levels = [_part_of(level, scanned) for level in levels]
        size = self._pixel_size(properties)
        vendor = properties.get(openslide.PROPERTY_NAME_VENDOR, "")
        facts = SlideFacts(
            format="tiff" if vendor in ("", _GENERIC) else vendor,
            levels=tuple(levels),
            mpp=size.sides,
            notices=(*notices, *size.notices),
            associated=tuple(sorted(slide.associated_images)),
        )
        return facts, kept, [float(slide.level_downsamples[i]) for i in kept], corner

    def _pixel_size(self, properties: dict[str, str]) -> PixelSize:
        """What OpenSlide says, compared with the rest of what a TIFF states."""
        x, y = (number(properties.get(key)) for key in ("openslide.mpp-x", "openslide.mpp-y"))
        stated: list[Stated | None] = [Stated(x, y, "OpenSlide")] if x or y else []
        with contextlib.suppress(InputError), _image(self._path) as (tif, page):
            stated += stated_by_tiff(tif, page)
        return chosen(stated, self._path.name, both=True)


@contextlib.contextmanager
def _image(path: Path) -> Iterator[tuple[Any, Any]]:
    with open_image(path) as (tif, image):
        yield tif, image.series.keyframe


def _scanned(properties: dict[str, str], whole: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Row and column where the scanned part begins, and its rows and columns; all of the plane by default."""
    stated = (number(properties.get(f"openslide.bounds-{key}")) for key in ("y", "x", "height", "width"))
    row, column, rows, columns = (int(value or 0) for value in stated)
    inside = 0 <= row < row + rows <= whole[0] and 0 <= column < column + columns <= whole[1]
    return ((row, column), (rows, columns)) if inside else ((0, 0), whole)


def _part_of(level: SlideLevel, shape: tuple[int, int]) -> SlideLevel:
    """A level of a part of so many rows and columns of level 0."""
    rows, columns = (max(1, int(side / level.downsample)) for side in shape)
    return SlideLevel((rows, columns), level.downsample)


def _laid_on_white(image: Image.Image) -> RGBImage:
    """(h, w, 3) of an RGBA picture; places without data are white."""
    if image.mode != "RGBA":
        return np.array(image.convert("RGB"))
    if image.getchannel("A").getextrema() == (255, 255):
        return np.array(image.convert("RGB"))
    array = np.asarray(image)
    return np.ascontiguousarray(on_white(array[..., :3], array[..., 3]))
