"""Slides as OME-Zarr folders, versions 0.1 to 0.5, also in containers as Bio-Formats writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from napari_construct.data.limits import MAX_PIXELS, METADATA_ERRORS, check_size, decoding
from napari_construct.data.resolution import chosen
from napari_construct.data.slides.depth import bits_of, depth_notice, spread_places
from napari_construct.data.slides.facts import SlideFacts, levels_of, no_such_name
from napari_construct.data.slides.tiles import TileCache, assembled
from napari_construct.data.slides.zarr_tiles import ZarrTiles
from napari_construct.data.tiff.choice import no_such_image
from napari_construct.data.tiff.xml_text import LONGEST, attributes_of
from napari_construct.data.zarr_multiscale import Multiscale, open_multiscale, series_of
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError
from napari_construct.reading.places import is_file
from napari_construct.reading.regular import open_regular
from napari_construct.types import RGBImage

_BESIDE: Final = re.compile(r"\b(label|macro|overview|thumbnail|preview|barcode|map)\b", re.IGNORECASE)
_MOST_LEVELS: Final = 64


class ZarrReader:
    """A slide in an OME-Zarr folder, a chunk a tile.

    Parameters
    ----------
    path : Path
        The folder.
    image : int, optional
        The number of another image of a container than the scan, from 1.

    Raises
    ------
    InputError
        If it is no image, damaged, a stack, or fluorescence.
    """

    def __init__(self, path: Path, image: int | None = None) -> None:
        self._path = path
        self._cache = TileCache()
        with decoding(path, METADATA_ERRORS):
            images = [open_multiscale(folder) for folder in series_of(path) or (path,)]
            number, self._beside, notices = _choose(path, images, image)
            found = images[number - 1]
            opened = _levels(path, found)
            kept, levels, more = levels_of(str(path), [one.shape for one in opened])
            self._levels = [opened[i] for i in kept]
            size = chosen([found.stated(0)], path.name, both=True)
            notices += [*more, *self._brightness()]
        if found.images > 1:
            notices.append(
                f"{path.name}: the folder holds {found.images - 1} more image(s); only the first is read"
            )
        self.facts = SlideFacts(
            format="ome-zarr",
            levels=tuple(levels),
            mpp=size.sides,
            notices=(*notices, *size.notices),
            associated=tuple(sorted(self._beside)),
            image=number,
        )

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
        tiles = self._levels[level]
        return assembled(
            lambda row, column: self._cache.get((level, row, column), lambda: tiles.at(row, column)),
            tiles.tile,
            top,
            left,
            height,
            width,
        )

    def associated_image(self, name: str) -> RGBImage:
        if name not in self._beside:
            raise no_such_name(self._path, name, self.facts.associated)
        tiles = _levels(self._path, self._beside[name])[0]
        check_size(self._path, *tiles.shape, MAX_PIXELS, min_side=1)
        return assembled(tiles.at, tiles.tile, 0, 0, *tiles.shape)

    def close(self) -> None:
        """Nothing: chunks are opened one by one."""

    def _brightness(self) -> list[str]:
        coarse = self._levels[-1]
        notices: list[str] = []
        if coarse.dtype == np.uint16:
            high = max(coarse.brightest(*place) for place in spread_places(coarse.grid))
            for level in self._levels:
                level.bits = bits_of(high)
            notices.append(depth_notice(self._path.name, high))
        if coarse.channels == 1:
            said = f"{self._path.name}: greyscale is copied to three channels; an H&E model expects colour"
            notices.append(Doubt(said))
        return notices


def _levels(path: Path, image: Multiscale) -> list[ZarrTiles]:
    if image.levels > _MOST_LEVELS:
        raise InputError(f"{path}: expected at most {_MOST_LEVELS} levels, got {image.levels}; it is damaged")
    return [ZarrTiles(path, image.folder(i), image.array(i), image.axes) for i in range(image.levels)]


def _choose(
    path: Path, images: list[Multiscale], image: int | None
) -> tuple[int, dict[str, Multiscale], list[str]]:
    """Number of the scan or of the image asked for, the images beside it by name, and notices."""
    names = _names(path, images)
    beside = [_BESIDE.search(name) for name in names]
    shapes = []
    for one in images:
        sizes = dict(zip(one.axes, one.array(0).shape, strict=True))
        shapes.append((int(sizes["y"]), int(sizes["x"])))
    if image is not None and not 1 <= image <= len(images):
        sizes_said = [
            f"{i + 1}: {h} x {w} pixels{f' ({names[i]})' if names[i] else ''}"
            for i, (h, w) in enumerate(shapes)
        ]
        raise no_such_image(path, image, sizes_said)
    scans = [i for i in range(len(images)) if not beside[i]] or list(range(len(images)))
    index = max(scans, key=lambda i: (shapes[i][0] * shapes[i][1], -i)) if image is None else image - 1
    found: dict[str, Multiscale] = {}
    for i, match in enumerate(beside):
        if match and i != index:
            found.setdefault(match[1].lower(), images[i])
    notices = []
    if image is None and len(scans) > 1:
        height, width = shapes[index]
        notices.append(
            f"{path.name}: of the {len(images)} images of the file, number {index + 1} is read ({height} x "
            f"{width} pixels), the largest that is no label or overview"
        )
    return index + 1, found, notices


def _names(path: Path, images: list[Multiscale]) -> list[str]:
    """What the images of a container are called: by its OME-XML, or by each image itself."""
    file = path / "OME" / "METADATA.ome.xml"
    stated: list[str] = []
    if len(images) > 1 and is_file(file):
        with open_regular(file, "a file of metadata") as stream:
            xml = stream.read(LONGEST).decode("utf-8", "replace")
        stated = [named.get("Name", "") for named in attributes_of("Image", xml)]
    if len(stated) != len(images):
        return [one.name for one in images]
    return [name or one.name for name, one in zip(stated, images, strict=True)]
