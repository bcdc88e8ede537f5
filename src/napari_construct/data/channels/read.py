"""An image file as the channels of a microscope, with its values and its pixel size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.assemble import channel_image
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.formats import image_format
from napari_construct.data.images import MAX_PIXELS
from napari_construct.data.limits import MIN_SIDE, check_size
from napari_construct.data.listing import is_zarr
from napari_construct.data.pictures.read import read_pillow
from napari_construct.data.stored import RED_GREEN_BLUE, ChannelHeader, StoredImage
from napari_construct.data.tiff.channels import (
    channel_header_of_tiff,
    channel_planes_of_tiff,
    read_tiff_channels,
)
from napari_construct.data.zarr_image import channel_header_of_zarr, read_zarr
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_folder
from napari_construct.types import PathLike

_GREY_ALPHA: Final = ("grey", "alpha")


def count_channel_planes(path: PathLike) -> int:
    """How many planes of channels a file holds (z, time); 1 for everything that is no TIFF stack.

    Raises
    ------
    InputError
        If there is no such file, it is no image, or damaged.
    """
    path = Path(path)
    stack = not is_zarr(path) and not is_folder(path) and image_format(path) == "tiff"
    return channel_planes_of_tiff(path) if stack else 1


def read_channels(path: PathLike, *, max_pixels: int = MAX_PIXELS, plane: int | None = None) -> ChannelImage:
    """Read all channels of a TIFF, OME-TIFF, PNG, JPEG or OME-Zarr, with the values of the file.

    Channels of a TIFF are an axis that its description calls so, the samples of a pixel, or pages of which
    nothing is said. Colours are the channels red, green and blue; a picture of colours that is grey
    everywhere is one channel. Alpha is dropped.

    Parameters
    ----------
    path : str or path
        The file, or the folder of an OME-Zarr image; of a pyramid level 0 is read.
    max_pixels : int
        Refuse images with more rows times columns before decoding them. Default 100 million.
    plane : int, optional
        Which plane of a TIFF stack, from 0, the last axis counting fastest. By default stacks are refused.

    Returns
    -------
    ChannelImage
        (c, h, w) with names, pixel size if known, notices.

    Raises
    ------
    InputError
        If there is no file, or it is no image, truncated, too large, under 16 pixels a side, a stack
        (several z or times), of more than 256 channels, or holds NaN or infinite values.
    """
    path = Path(path)
    if is_zarr(path):
        stored = read_zarr(path, max_pixels, channels=True)
    elif is_folder(path):
        raise InputError(
            f"{path}: expected an image of channels, got a folder; name an image in it, or open the folder "
            "as a set of cells"
        )
    elif image_format(path) == "tiff":
        if plane is not None and not 0 <= plane < (planes := channel_planes_of_tiff(path)):
            raise InputError(
                f"{path}: expected a plane from 0 to {planes - 1}, got {plane}; open the file again"
            )
        stored = read_tiff_channels(path, max_pixels=max_pixels, plane=plane)
    else:
        stored = _picture(path, max_pixels)
    array, names, notices = _without_colours(path, stored)
    pixels = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return channel_image(
        pixels, names, name=str(path), mpp=stored.mpp, notices=(*stored.notices, *notices), path=path
    )


def read_channel_header(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> ChannelHeader:
    """What :func:`read_channels` will find, with a name for each channel.

    Only pictures and colours are decoded for it, which may turn out to be grey.

    Raises
    ------
    InputError
        As of :func:`read_channels`.
    """
    path = Path(path)
    header: ChannelHeader | None = None
    if is_zarr(path):
        header = channel_header_of_zarr(path, max_pixels)
    elif not is_folder(path) and image_format(path) == "tiff":
        header = channel_header_of_tiff(path, max_pixels=max_pixels)
    if header is None or header.names == RED_GREEN_BLUE:
        image = read_channels(path, max_pixels=max_pixels)
        channels, rows, columns = image.pixels.shape
        return ChannelHeader(channels, image.names, rows, columns, image.mpp)
    return header._replace(names=header.names or tuple(map(str, range(header.channels))))


def _picture(path: Path, max_pixels: int) -> StoredImage:
    stored = read_pillow(path, max_pixels)
    rows, columns = stored.array.shape[:2]
    check_size(path, rows, columns, max_pixels, MIN_SIDE)
    colours = stored.array.ndim == 3 and stored.array.shape[2] >= 3
    return stored._replace(names=RED_GREEN_BLUE if colours else _GREY_ALPHA if stored.array.ndim == 3 else ())


def _without_colours(
    path: Path, stored: StoredImage
) -> tuple[NDArray[Any], tuple[str, ...], tuple[str, ...]]:
    """Channels without alpha, their names, and what was changed."""
    array, names = stored.array, stored.names
    if array.ndim == 2 or names not in (RED_GREEN_BLUE, _GREY_ALPHA):
        return array, names, ()
    notices: list[str] = []
    if array.shape[2] in (2, 4):
        array = array[..., :-1]
        notices.append(f"{path.name}: the alpha channel is dropped")
    if array.shape[2] == 1:
        return array, (), tuple(notices)
    if (array == array[..., :1]).all():
        notices.append(f"{path.name}: the picture has colours, but is grey everywhere; one channel is read")
        return array[..., :1], (), tuple(notices)
    return array, names, tuple(notices)
