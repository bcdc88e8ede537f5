"""What an image file states of its image, without decoding it: size and micrometres per pixel."""

from __future__ import annotations

from pathlib import Path

from napari_construct.data.formats import image_format
from napari_construct.data.limits import decoding
from napari_construct.data.pictures.read import header_of_pillow
from napari_construct.data.stored import ImageHeader
from napari_construct.data.tiff.read import header_of_tiff
from napari_construct.types import PathLike


def read_header(path: PathLike) -> ImageHeader:
    """Size and pixel size as ``read_image`` finds them; of a stack those of a plane.

    Raises
    ------
    InputError
        If there is no file, or it is no image that can be read, or damaged.
    """
    path = Path(path)
    with decoding(path):
        return (header_of_tiff if image_format(path) == "tiff" else header_of_pillow)(path)
