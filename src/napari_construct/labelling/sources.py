"""What patches are cut from: images in memory, files, slides; read part by part, at any resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_construct.data.format_names import INPUT_FORMATS
from napari_construct.data.images import ImageFile
from napari_construct.data.inputs import as_image
from napari_construct.data.listing import IMAGE_SUFFIXES, Reason, is_zarr, list_folder
from napari_construct.data.slide_parts import SLIDE_SUFFIXES
from napari_construct.data.slides.large import large_slide
from napari_construct.data.slides.overview import overview_of, tissue_on
from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.tissue import TissueSettings
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.decision.glass import background_mask
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.reading.names import found_as, shown
from napari_construct.reading.places import is_folder
from napari_construct.types import BoolMask, PathLike, RGBImage

SLIDE_PIXELS: Final = 16_000_000
"""Files with more pixels are opened as slides where they can be, so that parts of them are read alone."""

KEPT_PIXELS: Final = 50_000_000
"""Of images that stay in memory while patches are chosen: 150 MB."""

_GLASS_MPP: Final = 1.0
_GLASS_PIXELS: Final = 4_000_000
"""Micrometres per pixel, and pixels, at which glass is looked for in images."""


class Opened:
    """An image that patches are read from.

    Parameters
    ----------
    image : ImageFile or Slide
        Pixels in memory, or a slide.
    mpp : float, optional
        Micrometres per pixel, in place of what the image states.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    mpp : tuple of float or None
        Height and width of a pixel in micrometres.
    notices : tuple of str
        What was changed on reading.
    is_slide : bool
        Whether it is read part by part.
    """

    def __init__(self, image: ImageFile | Slide, mpp: float | None = None) -> None:
        self._image = image
        self.is_slide = isinstance(image, Slide)
        if isinstance(image, Slide):
            self.shape, found = image.shape, image.mpp
        else:
            self.shape = image.pixels.shape[0], image.pixels.shape[1]
            found = None if image.mpp is None else (image.mpp, image.mpp)
        given = None if mpp is None else (mpp, mpp)
        self.mpp = given or found
        self.notices: tuple[str, ...] = tuple(image.notices)

    def tissue(self, settings: TissueSettings) -> BoolMask:
        """(h, w) bool of the whole image, at a lower resolution: where tissue lies."""
        if isinstance(self._image, Slide):
            picture = overview_of(self._image)
            return tissue_on(picture, self._image, None if self.mpp is None else self.mpp[1], settings)
        return _tissue_of_image(self._image, None if self.mpp is None else self.mpp[0])

    def read(self, row: int, column: int, height: int, width: int, shape: tuple[int, int]) -> RGBImage:
        """A part in so many pixels; what lies outside of the image is white.

        Parameters
        ----------
        row, column, height, width : int
            In pixels of the image.
        shape : tuple of int
            Rows and columns of the result.

        Raises
        ------
        InputError
            If a slide is damaged there.
        """
        if isinstance(self._image, Slide):
            rows, columns = (float(row), float(row + height)), (float(column), float(column + width))
            return self._image.sampled(rows, columns, shape)
        found = _padded(self._image.pixels, row, column, height, width)
        return found if shape == (height, width) else _resized(found, shape)


@dataclass(frozen=True, slots=True, eq=False)
class PatchSource:
    """One image or slide.

    Attributes
    ----------
    name : str
        For people, and the group of its patches: slide or image.
    place : str
        Path of the file, or the name of a layer.
    open : callable
        Returns an ImageFile or a Slide; may raise any ``ConstructError``.
    """

    name: str
    place: str
    open: Callable[[], ImageFile | Slide]

    @contextmanager
    def opened(self, mpp: float | None = None) -> Iterator[Opened]:
        """The image, closed at the end."""
        image = self.open()
        try:
            yield Opened(image, mpp)
        finally:
            if isinstance(image, Slide):
                image.close()


class _Kept:
    """Opens images, of which the first stay in memory: each is asked for three times, one after the other."""

    def __init__(self) -> None:
        self._images: dict[int, ImageFile] = {}
        self._pixels = 0

    def __call__(self, number: int, read: Callable[[], ImageFile | Slide]) -> ImageFile | Slide:
        if number in self._images:
            return self._images[number]
        image = read()
        if isinstance(image, ImageFile):
            size = image.pixels.shape[0] * image.pixels.shape[1]
            if self._pixels + size <= KEPT_PIXELS:
                self._images[number] = image
                self._pixels += size
        return image


def sources_of(given: Iterable[Any]) -> tuple[tuple[PatchSource, ...], tuple[str, ...]]:
    """The images of files, folders and arrays; and sentences on what is left out.

    Parameters
    ----------
    given : iterable
        Paths of images, slides and folders of them (looked through with those inside); arrays and images as
        of :func:`~napari_construct.data.inputs.as_image`; or sources, which stay as they are.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    found: list[PatchSource] = []
    notices: list[str] = []
    seen: set[Path] = set()
    for number, one in enumerate(given, 1):
        if isinstance(one, PatchSource):
            found.append(one)
        elif not isinstance(one, str | Path):
            name = one.path.name if isinstance(one, ImageFile) else f"image {number}"
            place = str(one.path) if isinstance(one, ImageFile) else name
            found.append(PatchSource(name, place, partial(as_image, one, name)))
        else:
            files, said = _files(found_as(str(one)))
            notices += said
            new = [path for path in files if path.absolute() not in seen]
            seen.update(path.absolute() for path in new)
            found += [file_source(path) for path in new]
    if not found:
        raise ConfigurationError(
            f"expected at least one image ({INPUT_FORMATS}), slide or folder of them, got none; "
            + "; ".join([*notices, "check the paths"])
        )
    return _distinct(found), tuple(notices)


def file_source(path: PathLike) -> PatchSource:
    """The image or slide of a file."""
    path = Path(path)
    return PatchSource(shown(path.name), str(path.absolute()), partial(_open_file, path))


def _open_file(path: Path) -> ImageFile | Slide:
    return large_slide(path, larger_than=SLIDE_PIXELS) or as_image(path)


def _files(path: Path) -> tuple[Sequence[Path], tuple[str, ...]]:
    if not is_folder(path) or is_zarr(path) or path.suffix.lower() in IMAGE_SUFFIXES | SLIDE_SUFFIXES:
        return [path], ()
    listing = list_folder(path, recursive=True, slides=True)
    return listing.images, listing.sentences(
        Reason.RESULT, Reason.UNNAMED, Reason.FORMAT, Reason.BROKEN, Reason.CLOSED
    )


def _distinct(sources: Sequence[PatchSource]) -> tuple[PatchSource, ...]:
    """Sources with different names, which are their groups: folders go before names that occur twice."""
    names = [source.name for source in sources]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    found: list[PatchSource] = []
    taken: set[str] = set()
    kept = _Kept()
    for count, source in enumerate(sources):
        name = source.name
        if name in twice:
            name = shown("/".join(Path(source.place).parts[-2:]))
        plain, number = name, 2
        while name in taken:
            name, number = f"{plain} ({number})", number + 1
        taken.add(name)
        found.append(PatchSource(name, source.place, partial(kept, count, source.open)))
    return tuple(found)


def _tissue_of_image(image: ImageFile, mpp: float | None) -> BoolMask:
    """Where an image has data and is not glass: large bright and pale areas are."""
    h, w = image.pixels.shape[:2]
    wanted = 1 if mpp is None else round(_GLASS_MPP / mpp)
    factor = max(wanted, math.ceil(math.sqrt(h * w / _GLASS_PIXELS)), 1)
    factor = max(min(factor, h // 8, w // 8), 1)
    small = np.asarray(Image.fromarray(image.pixels).reduce(factor)) if factor > 1 else image.pixels
    rule = BackgroundRule()
    glass = background_mask(small, rule.changed(min_area=rule.min_area / 16))
    found: BoolMask = ~glass
    if image.valid is not None:
        zoom = np.array(small.shape[:2]) / image.valid.shape
        valid = ndimage.zoom(image.valid.astype(np.uint8), zoom, order=0, grid_mode=True, mode="nearest")
        found &= valid.astype(bool)
    return found


def _padded(pixels: RGBImage, row: int, column: int, height: int, width: int) -> RGBImage:
    h, w = pixels.shape[:2]
    top, bottom = (min(max(at, 0), h) for at in (row, row + height))
    left, right = (min(max(at, 0), w) for at in (column, column + width))
    part = pixels[top:bottom, left:right]
    if part.shape[:2] == (height, width):
        return np.ascontiguousarray(part)
    out: RGBImage = np.full((height, width, 3), 255, np.uint8)
    out[top - row : bottom - row, left - column : right - column] = part
    return out


def _resized(pixels: RGBImage, shape: tuple[int, int]) -> RGBImage:
    """Reduced to means of areas, or enlarged smoothly."""
    smaller = shape[0] <= pixels.shape[0] and shape[1] <= pixels.shape[1]
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize(shape[::-1], kind))
