"""OME-Zarr images of a local folder: level 0 of the first multiscale image, versions 0.1 to 0.5.

Specification: ngff.openmicroscopy.org. Only the metadata of the image's own group are followed; what they say
of sizes is checked before anything is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr

from napari_construct.data.limits import METADATA_ERRORS, check_size, decoding
from napari_construct.data.resolution import Stated, chosen, micrometres_of
from napari_construct.data.stored import StoredImage
from napari_construct.data.zarr_chunks import check_chunks
from napari_construct.data.zarr_levels import array_of_level, check_metadata
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_folder

_BYTES_PER_PIXEL: Final = 6  # RGB of 16 bits
_SMALL_CHUNK: Final = 2**26
"""Bytes that one chunk may always have."""
_RED_GREEN_BLUE: Final = ["FF0000", "00FF00", "0000FF"]


def read_zarr(path: Path, max_pixels: int) -> StoredImage:
    """Level 0 of an OME-Zarr image with one channel or three.

    Parameters
    ----------
    path : Path
        The folder.
    max_pixels : int
        Larger images are refused before anything is decoded.

    Raises
    ------
    InputError
        If it is damaged, too large, a stack, fluorescence, a plate, labels, or no image.
    """
    with decoding(path, METADATA_ERRORS):
        check_metadata(path)
        group: Any = zarr.open(str(path), mode="r")
        if not isinstance(group, zarr.Group):
            raise _refused(path, "a Zarr array without OME metadata")
        about = _ome(group)
        if "bioformats2raw.layout" in about or "bioformats2raw.layout" in group.attrs:
            return _first_series(path, max_pixels)
        return _image(path, group, about, max_pixels)


def _ome(group: Any) -> Mapping[str, Any]:
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)  # 0.5 has a place of its own
    return about if isinstance(about, Mapping) else {}


def _first_series(path: Path, max_pixels: int) -> StoredImage:
    """The one image of a container as Bio-Formats writes it."""
    if (path / "1").is_dir() or not (path / "0").is_dir():
        raise InputError(
            f"{path}: expected one OME-Zarr image, got a container of several; name one of them, for "
            f"example {path / '0'}"
        )
    return read_zarr(path / "0", max_pixels)


def _image(path: Path, group: Any, about: Mapping[str, Any], max_pixels: int) -> StoredImage:
    if "plate" in about or "well" in about:
        what = "a plate of wells" if "plate" in about else "a well of several fields"
        example = path / ("A/1/0" if "plate" in about else "0")
        raise InputError(
            f"{path}: expected one OME-Zarr image, got {what}; name the folder of one field, "
            f"such as {example}"
        )
    if "image-label" in about:
        raise _refused(path, "labels")
    images = about.get("multiscales")
    if not images:
        raise _refused(path, "labels only" if "labels" in about or is_folder(path / "labels") else "no image")
    image = images[0]
    level = image["datasets"][0]
    array = array_of_level(path, group, str(level["path"]))
    axes, units = _axes(image, array.ndim)
    _check_shape(path, array, axes, max_pixels)
    check_chunks(path / str(level["path"]), array, max(_BYTES_PER_PIXEL * max_pixels, _SMALL_CHUNK))
    pixels = np.asarray(array[tuple(0 if a in "tz" else slice(None) for a in axes)])
    kept = [a for a in axes if a not in "tz"]
    order = [kept.index(a) for a in "yx"] + ([kept.index("c")] if "c" in kept else [])
    size = chosen([_stated(image, level, axes, units)], path.name)
    channels = array.shape[axes.index("c")] if "c" in axes else 1
    notices = size.notices + _notices(path, about, channels, len(images))
    return StoredImage(pixels.transpose(order), size.mpp, notices)


def _refused(path: Path, got: str) -> InputError:
    return InputError(
        f"{path}: expected an OME-Zarr image (multiscales in its metadata), got {got}; save the image as "
        "OME-Zarr, TIFF or PNG"
    )


def _axes(image: Mapping[str, Any], dimensions: int) -> tuple[str, list[str]]:
    """A letter and the unit of each axis."""
    stored = image.get("axes", "tczyx" if dimensions == 5 else "")  # 0.1 and 0.2 have these five alone
    rows = [a if isinstance(a, Mapping) else {"name": a} for a in stored]
    names = [str(row["name"]).lower() for row in rows]
    if len(names) != dimensions or len(set(names)) != len(names) or not {"y", "x"} <= set(names):
        raise ValueError(f"axes {', '.join(names)[:80] or 'not named'} for an array of {dimensions}")
    letters = "".join(name if name in ("t", "c", "z", "y", "x") else "?" for name in names)
    return letters, [str(row.get("unit", "")).lower() for row in rows]


def _check_shape(path: Path, array: Any, axes: str, max_pixels: int) -> None:
    sizes = dict(zip(axes, array.shape, strict=True))
    planes = [a for a in axes if a not in "cyx" and sizes[a] != 1]
    if planes or "?" in axes:
        raise InputError(
            f"{path}: expected one plane (rows, columns and colour), got axes {axes} of shape {array.shape}; "
            "save one plane as its own image"
        )
    channels = sizes.get("c", 1)
    if channels not in (1, 3) and not (channels == 4 and axes[-1] == "c"):
        raise InputError(
            f"{path}: expected 1 channel, or red, green and blue, got {channels} channels; save one channel, "
            "or three as RGB"
        )
    check_size(path, sizes["y"], sizes["x"], max_pixels)
    size = math.prod(array.shape) * array.dtype.itemsize
    if size > _BYTES_PER_PIXEL * max_pixels:
        raise InputError(
            f"{path}: expected at most {_BYTES_PER_PIXEL * max_pixels:,} bytes of pixels, got {size:,} "
            f"({array.dtype}); save the image as uint8"
        )


def _stated(image: Mapping[str, Any], level: Mapping[str, Any], axes: str, units: list[str]) -> Stated:
    """Micrometres per pixel, from the scales of the level and of the image."""
    steps = [step for place in (level, image) for step in place.get("coordinateTransformations") or ()]
    scales = [step["scale"] for step in steps if step.get("type") == "scale" and "scale" in step]
    sides = []
    for i in map(axes.index, "xy"):
        unit = micrometres_of(units[i])
        sides.append(unit * math.prod(float(scale[i]) for scale in scales) if unit and scales else None)
    return Stated(sides[0], sides[1], "OME-Zarr")


def _notices(path: Path, about: Mapping[str, Any], channels: int, images: int) -> tuple[str, ...]:
    notices = []
    if images > 1:
        notices.append(f"{path.name}: the folder holds {images - 1} more image(s); only the first is read")
    display = about.get("omero")
    shown = display.get("channels", ()) if isinstance(display, Mapping) else ()
    colours = [str(channel.get("color", "")).upper() for channel in shown]
    if channels == 3 and colours != _RED_GREEN_BLUE:
        notices.append(f"{path.name}: the three channels are read as red, green and blue")
    return tuple(notices)
