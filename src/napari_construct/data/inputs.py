"""Whatever shows one image, as an :class:`~napari_construct.data.images.ImageFile`.

xarray, dask and zarr are known by what they offer, so that none of them needs to be installed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, TypeAlias

from PIL import Image

from napari_construct.data.images import ImageFile, read_image
from napari_construct.data.orientation import orientation_of
from napari_construct.data.pictures.exif import read_exif, stated_orientation
from napari_construct.data.pictures.read import plain
from napari_construct.data.rgb import as_shown
from napari_construct.exceptions import InputError

ImageInput: TypeAlias = Any
"""A path, an :class:`ImageFile`, or an array: numpy, dask, zarr, xarray, a Pillow image."""

_ROWS: Final = ("y", "row", "rows", "height", "h")
_COLUMNS: Final = ("x", "column", "columns", "col", "cols", "width", "w")
_CHANNELS: Final = ("c", "channel", "channels", "s", "sample", "samples", "rgb", "rgba", "band", "bands")


def as_image(image: ImageInput, name: str | None = None) -> ImageFile:
    """Read a file, or bring an array to (h, w, 3) uint8.

    Parameters
    ----------
    image : path, ImageFile or array
        A file that :func:`~napari_construct.data.images.read_image` reads; what it returned; or an array of
        shape (h, w), (h, w, 3) or (h, w, 4) that :func:`~napari_construct.data.rgb.as_rgb` takes. The axes
        of an xarray may have any order: they are found by their names (y, x, c), and axes of length one are
        dropped.
    name : str, optional
        What errors and notices call an array; its own ``name``, or "image", otherwise.

    Raises
    ------
    InputError
        If the file cannot be read, or the array is no image.
    """
    if isinstance(image, ImageFile):
        return image
    if isinstance(image, str | os.PathLike):
        return read_image(os.fspath(image))
    named = getattr(image, "name", None)
    name = name or (named if isinstance(named, str) and named else "image")
    notices = _turned_notice(image, name)
    try:
        array = _plain_array(image, name)
        shown = as_shown(array, name=name)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name}: expected a path or an array of shape (h, w, 3), got {type(image).__name__} ({error}); "
            "convert it with numpy.asarray"
        ) from error
    return ImageFile(shown.rgb, None, notices + shown.notices, Path(name), shown.valid)


def _plain_array(image: Any, name: str) -> Any:
    """An array whose axes are rows, columns and channels; not loaded yet where it is lazy."""
    if hasattr(image, "dims") and hasattr(image, "transpose"):
        return ordered(image, name)
    if isinstance(image, Image.Image):
        return plain(image, name)
    if image is None or isinstance(image, dict | set | bytes):
        raise InputError(
            f"{name}: expected a path or an array of shape (h, w, 3), got {type(image).__name__}; "
            "open the image with read_image"
        )
    return image


def _turned_notice(image: Any, name: str) -> tuple[str, ...]:
    """What to say of a Pillow image that viewers show turned: the result lies on its pixels as they are."""
    stated = stated_orientation(read_exif(image)) if isinstance(image, Image.Image) else None
    if not orientation_of(stated).words:
        return ()
    text = (
        f"{name}: its EXIF orientation ({stated}) is not applied, so that the result lies on these pixels; "
        "apply it before with PIL.ImageOps.exif_transpose, or give the path"
    )
    return (text,)


def ordered(array: Any, name: str) -> Any:
    """The data of an xarray with rows, columns and channels in this order, not loaded yet where it is lazy.

    Raises
    ------
    InputError
        If its axes have other names; ``name`` is what the error calls the array.
    """
    dims = [str(dim) for dim in array.dims]
    kinds = {dim: axis_kind(dim) for dim in dims}
    single = [dim for dim in dims if array.sizes[dim] == 1 and kinds[dim] not in (0, 1)]
    left = [dim for dim in dims if dim not in single]
    if sorted(kinds[dim] for dim in left) not in ([0, 1], [0, 1, 2]):
        raise InputError(
            f"{name}: expected an xarray with axes named y, x and, for colour, c, got "
            f"{', '.join(f'{dim}: {array.sizes[dim]}' for dim in dims)}; choose one plane with .isel, and "
            "name the axes with .rename"
        )
    order = sorted(left, key=kinds.__getitem__)
    return array.isel(dict.fromkeys(single, 0)).transpose(*order).data


def axis_kind(dim: str) -> int:
    """0 rows, 1 columns, 2 channels, 3 anything else."""
    lower = dim.lower()
    return next((i for i, names in enumerate((_ROWS, _COLUMNS, _CHANNELS)) if lower in names), 3)
