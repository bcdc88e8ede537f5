"""Which files are slides to whoever segments: too large to be read whole, or read as slides only."""

from __future__ import annotations

from pathlib import Path

from napari_construct.data import limits
from napari_construct.data.slide_parts import SLIDE_SUFFIXES
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike


def large_slide(path: PathLike, *, larger_than: int | None = None) -> Slide | None:
    """The slide in a file that is not to be read as an image.

    That are files with more pixels than :func:`~napari_construct.data.images.read_image` takes, and those of
    formats that only readers of slides know: what others find in them is a picture of the label, at best.

    Parameters
    ----------
    path : str or path
        Any file.
    larger_than : int, optional
        Pixels of level 0; by default those of the largest image.

    Returns
    -------
    Slide or None
        None for smaller images, and for files that are no slides: whoever reads them next says what is wrong.

    Raises
    ------
    InputError
        If the suffix is one of slides only, and the file is none.
    """
    only = Path(path).suffix.lower() in SLIDE_SUFFIXES
    try:
        slide = open_slide(path)
    except InputError:
        if only:
            raise
        return None
    if only or slide.shape[0] * slide.shape[1] > (limits.MAX_PIXELS if larger_than is None else larger_than):
        return slide
    slide.close()
    return None
