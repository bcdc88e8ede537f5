"""Slides in tiled and pyramidal TIFF files: SVS, OME-TIFF, QPTIFF, and what programs write."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

from napari_construct.data.limits import MAX_PIXELS, check_size
from napari_construct.data.orientation import TAG, orientation_of
from napari_construct.data.resolution import chosen as pixel_size
from napari_construct.data.rgb import as_rgb
from napari_construct.data.slides.depth import bits_of, depth_notice, spread_places
from napari_construct.data.slides.facts import SlideFacts, SlideLevel, levels_of, no_such_name
from napari_construct.data.slides.tiff_tiles import TiffTiles
from napari_construct.data.slides.tiles import TileCache, assembled
from napari_construct.data.tiff.checks import check_bytes
from napari_construct.data.tiff.choice import Chosen, open_image, set_notice
from napari_construct.data.tiff.colours import stored_colours
from napari_construct.data.tiff.layout import check_colour_axes, check_single, layout_of
from napari_construct.data.tiff.pixel_size import stated_by_tiff
from napari_construct.data.tiff.pixels import decode
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError
from napari_construct.types import RGBImage

_KINDS: Final = (
    ("is_svs", "aperio"),
    ("is_scn", "leica"),
    ("is_ndpi", "hamamatsu"),
    ("is_bif", "ventana"),
    ("is_philips", "philips"),
    ("is_qpi", "qptiff"),
    ("is_ome", "ome-tiff"),
)


class TiffReader:
    """A slide in a TIFF file, tiles decoded by imagecodecs on the file's own grid.

    Parameters
    ----------
    path : Path
        The file.
    image : int, optional
        The number of another image than the scan, from 1.
    notices : tuple of str
        What is to be said of the file before its own notices.

    Raises
    ------
    InputError
        If the file is damaged, not supported, a stack, or no picture in colour or grey.
    """

    def __init__(self, path: Path, image: int | None = None, notices: tuple[str, ...] = ()) -> None:
        self._path = path
        self._lock = Lock()
        self._cache = TileCache()
        with ExitStack() as stack:
            tif, chosen = stack.enter_context(open_image(path, image))
            self._chosen = chosen
            _check(path, chosen)
            self._levels, levels, found = self._open_levels(chosen)
            size = pixel_size(stated_by_tiff(tif, chosen.series.keyframe), path.name, both=True)
            orientation = orientation_of(chosen.series.keyframe.tags.valueof(TAG))
            self._orientation = orientation
            shown = tuple(SlideLevel(orientation.shown_shape(*one.shape), one.downsample) for one in levels)
            sides = size.sides and (size.sides[::-1] if orientation.transpose else size.sides)
            found = [*notices, *chosen.notices, *set_notice(path, tif), *found, *self._brightness()]
            if tif.is_bif:
                said = f"{path.name}: overlapping tiles of Ventana scanners are read without stitching"
                found.append(Doubt(said))
            self.facts = SlideFacts(
                format=next((kind for flag, kind in _KINDS if getattr(tif, flag)), "tiff"),
                levels=shown,
                mpp=sides,
                notices=tuple(dict.fromkeys((*found, *orientation.notice(path.name), *size.notices))),
                associated=tuple(sorted(chosen.beside)),
                image=chosen.number,
            )
            self._stack = stack.pop_all()

    def read(self, level: int, top: int, left: int, height: int, width: int) -> RGBImage:
        tiles, whole = self._levels[level], self._levels[level].shape
        rows, columns = self._orientation.stored_part(
            slice(top, top + height), slice(left, left + width), *whole
        )
        stored = assembled(
            lambda row, column: self._cache.get((level, row, column), lambda: tiles.at(row, column)),
            tiles.tile,
            rows.start,
            columns.start,
            rows.stop - rows.start,
            columns.stop - columns.start,
        )
        return np.ascontiguousarray(self._orientation.show(stored))

    def associated_image(self, name: str) -> RGBImage:
        if name not in self._chosen.beside:
            raise no_such_name(self._path, name, self.facts.associated)
        series = self._chosen.beside[name]
        layout, page = layout_of(series), series.keyframe
        check_size(self._path, layout.height, layout.width, MAX_PIXELS, min_side=1)
        check_bytes(self._path, layout, layout.height, layout.width, series.dtype, MAX_PIXELS)
        part = slice(0, layout.height), slice(0, layout.width)
        with self._lock:
            array, _ = decode(self._path, series, layout, 0, part, MAX_PIXELS)
            array, _ = stored_colours(self._path, array, page, samples=layout.colour_axis != "C")
        return as_rgb(orientation_of(page.tags.valueof(TAG)).show(array), name=f"{self._path} ({name})")[0]

    def close(self) -> None:
        self._stack.close()

    def _open_levels(self, chosen: Chosen) -> tuple[list[TiffTiles], list[SlideLevel], list[str]]:
        """Levels of the image: those that the file calls so, and images of it that are smaller copies."""
        series = [chosen.series, *list(chosen.series.levels)[1:], *chosen.smaller]
        layouts = [layout_of(one) for one in series]
        alike = [
            i
            for i, layout in enumerate(layouts)
            if (layout.colour_axis, layout.channels, layout.planes)
            == (chosen.layout.colour_axis, chosen.layout.channels, chosen.layout.planes)
            and series[i].dtype == chosen.series.dtype
        ]
        shapes = [(layouts[i].height, layouts[i].width) for i in alike]
        kept, levels, notices = levels_of(str(self._path), shapes)
        tiles = [TiffTiles(self._path, series[alike[i]], layouts[alike[i]], self._lock) for i in kept]
        for one in tiles:
            notices += one.notices
        return tiles, levels, notices

    def _brightness(self) -> tuple[str, ...]:
        """Notices of what is changed for RGB; where samples have 16 bits, their range is looked for.

        The coarsest level is looked at, so that all parts of a slide are scaled alike.
        """
        coarse = self._levels[-1]
        places = spread_places(coarse.grid)
        notices = [*coarse.colour_notices(*places[len(places) // 2])]
        if coarse.dtype == np.uint16:
            high = max(coarse.brightest(*place) for place in places)
            for level in self._levels:
                level.bits = bits_of(high)
            if not any("-bit values are scaled" in notice for notice in notices):  # by the file's own word
                notices.append(depth_notice(self._path.name, high))
        if not self._chosen.layout.colour_axis and int(self._chosen.series.keyframe.photometric) != 3:
            notices.append(
                Doubt(
                    f"{self._path.name}: greyscale is copied to three channels; an H&E model expects colour"
                )
            )
        if self._chosen.layout.colour_axis == "C":
            notices.append(f"{self._path.name}: the three channels are read as red, green and blue")
        return tuple(notices)


def _check(path: Path, chosen: Chosen) -> None:
    """Refuse what is no single picture."""
    layout = chosen.layout
    check_colour_axes(path, layout, int(chosen.series.keyframe.photometric))
    check_single(path, layout)
    if layout.rows_as_pages:
        raise InputError(
            f"{path}: expected a slide, got an array whose rows were written as {layout.height} pages; save "
            "it again as one RGB picture"
        )
