"""The metadata of an OME-Zarr image: its levels, their axes and pixel sizes; nothing is decoded.

Specification: ngff.openmicroscopy.org, versions 0.1 to 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zarr

from napari_construct.data.resolution import Stated, micrometres_of
from napari_construct.data.zarr_levels import array_of_level, check_metadata
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_folder

SMALL_CHUNK: Final = 2**26
"""Bytes that one chunk may always have."""

_MOST_SERIES: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Multiscale:
    """One multiscale image.

    Attributes
    ----------
    path : Path
        Folder of its group.
    group : zarr.Group
        Opened.
    about : mapping
        The OME metadata of the group.
    image : mapping
        Those of the image: the first of ``multiscales``.
    axes : str
        A letter for each axis (t, c, z, y, x; ? of any other).
    units : tuple of str
        The unit of each axis.
    images : int
        How many multiscale images the group describes.
    """

    path: Path
    group: Any
    about: Mapping[str, Any]
    image: Mapping[str, Any]
    axes: str
    units: tuple[str, ...]
    images: int

    @property
    def levels(self) -> int:
        """How many levels the metadata name."""
        return len(self.image["datasets"])

    @property
    def name(self) -> str:
        """What the image is called; empty without."""
        return str(self.image.get("name") or "")

    def _name(self, index: int) -> str:
        return str(self.image["datasets"][index]["path"])

    def folder(self, index: int) -> Path:
        """Where the chunks of a level lie."""
        return self.path / self._name(index)

    def array(self, index: int) -> Any:
        """The array of a level, opened.

        Raises
        ------
        InputError, ValueError, OSError
            As of :func:`~napari_construct.data.zarr_levels.array_of_level`.
        """
        return array_of_level(self.path, self.group, self._name(index))

    def stated(self, index: int) -> Stated:
        """Micrometres per pixel, from the scales of the level and of the image."""
        places = (self.image["datasets"][index], self.image)
        steps = [step for place in places for step in place.get("coordinateTransformations") or ()]
        scales = [step["scale"] for step in steps if step.get("type") == "scale" and "scale" in step]
        sides = []
        for i in map(self.axes.index, "xy"):
            unit = micrometres_of(self.units[i])
            sides.append(unit * math.prod(float(scale[i]) for scale in scales) if unit and scales else None)
        return Stated(sides[0], sides[1], "OME-Zarr")


def open_multiscale(path: Path, store: Any = None) -> Multiscale:
    """The first multiscale image of a group.

    Parameters
    ----------
    path : Path
        The folder.
    store : zarr store, optional
        Through which it is read; the folder itself otherwise.

    Raises
    ------
    InputError
        If it is a plate, labels, or no image.
    ValueError, LookupError, TypeError, AttributeError, OSError
        If its metadata are damaged.
    """
    check_metadata(path)
    group: Any = zarr.open(str(path) if store is None else store, mode="r")
    if not isinstance(group, zarr.Group):
        raise _refused(path, "a Zarr array without OME metadata")
    about = _ome(group)
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
    first = array_of_level(path, group, str(image["datasets"][0]["path"]))
    axes, units = _axes(image, first.ndim)
    return Multiscale(path, group, about, image, axes, tuple(units), len(images))


def series_of(path: Path) -> tuple[Path, ...]:
    """Folders of the images in a container as Bio-Formats writes it; nothing where it is none."""
    check_metadata(path)
    group: Any = zarr.open(str(path), mode="r")
    if not isinstance(group, zarr.Group):
        return ()
    if "bioformats2raw.layout" not in _ome(group) and "bioformats2raw.layout" not in group.attrs:
        return ()
    found = [path / "0"]
    while len(found) < _MOST_SERIES and (path / str(len(found))).is_dir():
        found.append(path / str(len(found)))
    return tuple(found)


def _ome(group: Any) -> Mapping[str, Any]:
    attributes = dict(group.attrs)
    about = attributes.get("ome", attributes)  # 0.5 has a place of its own
    return about if isinstance(about, Mapping) else {}


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
