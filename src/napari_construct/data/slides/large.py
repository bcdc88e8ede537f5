"""Which files are too large to be read whole, and are slides therefore."""

from __future__ import annotations

from napari_construct.data.limits import MAX_PIXELS
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.exceptions import InputError
from napari_construct.types import PathLike


def large_slide(path: PathLike, *, larger_than: int = MAX_PIXELS) -> Slide | None:
    """The slide in a file that has more pixels than :func:`~napari_construct.data.images.read_image` takes.

    Parameters
    ----------
    path : str or path
        Any file.
    larger_than : int
        Pixels of level 0.

    Returns
    -------
    Slide or None
        None for smaller images, and for files that are no slides: whoever reads them next says what is wrong.
    """
    try:
        slide = open_slide(path)
    except InputError:
        return None
    if slide.shape[0] * slide.shape[1] > larger_than:
        return slide
    slide.close()
    return None
