"""One whole slide, whatever its format: levels, micrometres per pixel, and any part at any resolution."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

from napari_construct.data.limits import MAX_PIXELS, METADATA_ERRORS, decoding
from napari_construct.data.resolution import PLAUSIBLE_MPP
from napari_construct.data.slides.facts import SlideFacts, SlideLevel, SlideReader
from napari_construct.data.slides.registry import ReaderName, open_reader
from napari_construct.data.slides.sampling import resampled
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike, RGBImage

__all__ = ["Slide", "SlideLevel", "open_slide"]

_NEARLY: Final = 1.01
"""A level this much coarser than needed is fine enough."""


class Slide:
    """A slide, opened lazily: nothing but its metadata is read before pixels are asked for.

    Threads may share it. It can be pickled; another process, also a forked one, opens the file again for
    itself, once it asks for something. Use it in a ``with`` block, or call :meth:`close`.

    Attributes
    ----------
    path : Path
        The file or folder.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        image: int | None = None,
        mpp: tuple[float, float] | None = None,
        reader: ReaderName | None = None,
        later: bool = False,
    ) -> None:
        self.path = Path(path)
        self._how = (image, mpp, reader)
        self._lock = Lock()
        self._process = os.getpid()
        self._reader: SlideReader | None = None
        self._known: SlideFacts | None = None if later else self._open().facts

    def __enter__(self) -> Slide:  # noqa: PYI034  # the checker of types at run time knows no Self
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Slide], tuple[Any, ...]]:
        return _again, (str(self.path.absolute()), *self._how)

    def __repr__(self) -> str:
        size = "unknown" if self.mpp is None else f"{self.mpp[0]:.4g} x {self.mpp[1]:.4g} um"
        return (
            f"Slide({self.name!r}, {self.format}, {self.shape[0]} x {self.shape[1]} pixels, "
            f"{len(self.levels)} levels, mpp {size})"
        )

    @property
    def _facts(self) -> SlideFacts:
        if self._known is None:
            self._known = self._open().facts
        return self._known

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def format(self) -> str:
        """The scanner's or the file's format: ``aperio``, ``hamamatsu``, ``tiff``, ``ome-zarr`` ..."""
        return self._facts.format

    @property
    def image(self) -> int:
        """Which image of the file it is, from 1."""
        return self._facts.image

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of level 0."""
        return self.levels[0].shape

    @property
    def levels(self) -> tuple[SlideLevel, ...]:
        """From the finest to the coarsest."""
        return self._facts.levels

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Height and width of a pixel of level 0 in micrometres; None where neither file nor caller says."""
        return self._how[1] or self._facts.mpp

    @property
    def notices(self) -> tuple[str, ...]:
        """Conversions, assumptions and contradictions, one sentence each."""
        return self._facts.notices

    @property
    def associated(self) -> tuple[str, ...]:
        """Names of the images beside the scan: label, macro, thumbnail ..."""
        return self._facts.associated

    def required_mpp(self) -> tuple[float, float]:
        """``mpp``, for whoever cannot do without.

        Raises
        ------
        InputError
            If it is not known.
        """
        if self.mpp is None:
            raise InputError(
                f"{self.path}: expected micrometres per pixel in the slide, found none; give them (--mpp, in "
                "Python open_slide(path, mpp=0.25); 40x scans have about 0.25, 20x scans about 0.5)"
            )
        return self.mpp

    def associated_image(self, name: str) -> RGBImage:
        """An image beside the scan.

        Parameters
        ----------
        name : str
            One of ``associated``.

        Returns
        -------
        ndarray
            (h, w, 3) uint8.

        Raises
        ------
        InputError
            If there is none of this name, or it is damaged.
        """
        with decoding(self.path, METADATA_ERRORS):
            return self._open().associated_image(name)

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
        """Pixels of a level; what lies outside of the slide, or has no data, is white.

        Parameters
        ----------
        level : int
            Index in ``levels``.
        top, left, height, width : int
            In pixels of that level.

        Raises
        ------
        InputError
            If there is no such level, the part has no pixels or too many, or the file is damaged there.
        """
        if not 0 <= level < len(self.levels):
            raise InputError(
                f"{self.path}: expected a level from 0 to {len(self.levels) - 1}, got {level}; choose another"
            )
        self.check_size(height, width)
        whole = self.levels[level].shape
        rows, columns = _clipped(top, height, whole[0]), _clipped(left, width, whole[1])
        inside = (rows[1] - rows[0], columns[1] - columns[0])
        if min(inside) <= 0:
            return np.full((height, width, 3), 255, np.uint8)
        with decoding(self.path, METADATA_ERRORS):
            pixels = self._open().read(level, rows[0], columns[0], *inside)
        if inside == (height, width):
            return pixels
        out: RGBImage = np.full((height, width, 3), 255, np.uint8)
        out[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left] = pixels
        return out

    def region(self, top: int, left: int, height: int, width: int, *, at: float | None = None) -> RGBImage:
        """A part of the slide at any resolution.

        The coarsest level that is fine enough is read, and resampled so that a pixel of the result is the
        mean of its area (interpolated where it is enlarged). Pixels of the result are square.

        Parameters
        ----------
        top, left, height, width : int
            In pixels of level 0; what lies outside of the slide is white.
        at : float, optional
            Micrometres per pixel of the result; by default level 0 as it is.

        Returns
        -------
        ndarray
            (round(height * mpp / at), round(width * mpp / at), 3) uint8, at least one pixel a side.

        Raises
        ------
        InputError
            If ``at`` is given and the slide's own micrometres per pixel are not known; as of :meth:`read`.
        """
        if at is None:
            return self.read(0, top, left, height, width)
        if not (math.isfinite(at) and at > 0):
            raise InputError(f"{self.path}: expected micrometres per pixel above 0, got {at}; correct at")
        down, across = self.required_mpp()
        shape = max(1, round(height * down / at)), max(1, round(width * across / at))
        return resampled(self, (float(top), float(top + height)), (float(left), float(left + width)), shape)

    def sampled(
        self, rows: tuple[float, float], columns: tuple[float, float], shape: tuple[int, int]
    ) -> RGBImage:
        r"""A part of the slide in so many pixels; its borders may lie within pixels of level 0.

        Parts that touch fit together without a seam, which rounded borders of :meth:`region` would not.

        Parameters
        ----------
        rows, columns : tuple of float
            Where the part begins and ends, in pixels of level 0.
        shape : tuple of int
            Rows and columns of the result.

        Returns
        -------
        ndarray
            (\*shape, 3) uint8.

        Raises
        ------
        InputError
            As of :meth:`read`.
        """
        return resampled(self, rows, columns, shape)

    def thumbnail(self, side: int = 1024) -> RGBImage:
        """The whole slide in a small picture; its longer side has at most ``side`` pixels."""
        factor = min(1.0, side / max(self.shape))
        shape = max(1, round(self.shape[0] * factor)), max(1, round(self.shape[1] * factor))
        return resampled(self, (0.0, float(self.shape[0])), (0.0, float(self.shape[1])), shape)

    def close(self) -> None:
        """Close the file. Asked for pixels again, the slide opens it again."""
        with self._lock:
            if self._reader is not None and self._process == os.getpid():
                self._reader.close()
            self._reader = None

    def level_for(self, downsample: float) -> int:
        """Index of the coarsest level whose downsample is at most this; 0 where there is none."""
        fine = [i for i, level in enumerate(self.levels) if level.downsample <= downsample * _NEARLY]
        return max(fine, key=lambda i: self.levels[i].downsample, default=0)

    def _open(self) -> SlideReader:
        """The reader of this process: file handles of a parent must not be shared, they have one position."""
        if self._reader is None or self._process != os.getpid():
            with self._lock:
                if self._reader is None or self._process != os.getpid():
                    self._reader, self._process = self._opened(), os.getpid()
        return self._reader

    def _opened(self) -> SlideReader:
        with decoding(self.path, METADATA_ERRORS):
            return open_reader(self.path, self._how[0], self._how[2])

    def check_size(self, height: int, width: int) -> None:
        """Refuse a part without pixels, or with more than are read at once (InputError)."""
        if height < 1 or width < 1 or height * width > MAX_PIXELS:
            raise InputError(
                f"{self.path}: expected a part of 1 to {MAX_PIXELS:,} pixels, got {height} x {width}; read "
                "it in smaller parts, or at a coarser resolution (at)"
            )


def open_slide(
    path: PathLike,
    *,
    image: int | None = None,
    mpp: float | tuple[float, float] | None = None,
    reader: ReaderName | None = None,
) -> Slide:
    """Open a whole slide.

    Parameters
    ----------
    path : str or path
        SVS, NDPI, MRXS, SCN, BIF, DICOM (any file of the series), TIFF, OME-TIFF, or the folder of an
        OME-Zarr.
    image : int, optional
        Which image of a file with several, from 1. By default the largest is taken that is no label,
        overview, thumbnail or macro image.
    mpp : float or tuple of float, optional
        Micrometres per pixel of level 0 (height and width of a pixel), in place of what the file says.
    reader : {"tiff", "openslide", "zarr"}, optional
        Read with this library; by default the format decides.

    Raises
    ------
    InputError
        If it is no slide, damaged, or has no such image: with the reason and what to do.
    """
    return Slide(path, image=image, mpp=_given(mpp), reader=reader)


def _given(mpp: float | tuple[float, float] | None) -> tuple[float, float] | None:
    if mpp is None:
        return None
    sides = tuple(float(side) for side in mpp) if isinstance(mpp, tuple | list) else (float(mpp),) * 2
    low, high = PLAUSIBLE_MPP
    if len(sides) != 2 or not all(math.isfinite(side) and low <= side <= high for side in sides):
        raise InputError(
            f"expected mpp from {low:g} to {high:g} micrometres per pixel, got {mpp}; correct it"
        )
    return sides[0], sides[1]


def _again(path: str, image: int | None, mpp: tuple[float, float] | None, reader: ReaderName | None) -> Slide:
    return Slide(path, image=image, mpp=mpp, reader=reader, later=True)


def _clipped(start: int, length: int, side: int) -> tuple[int, int]:
    return max(0, min(start, side)), max(0, min(start + length, side))
