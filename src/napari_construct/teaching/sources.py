"""Strokes from what other programs keep: annotations as GeoJSON, and masks beside images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from napari_construct.annotations import OBJECTS, Feature, is_ignored
from napari_construct.classes import ClassTable, TissueClass, palette_colour
from napari_construct.data.geojson import read_geojson
from napari_construct.data.images import read_image
from napari_construct.data.listing import list_images
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import harmless
from napari_construct.reading.names import normal
from napari_construct.reading.places import files_in, is_folder
from napari_construct.teaching.annotated import painted_annotations
from napari_construct.teaching.saved import holds_strokes, load_strokes
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import PathLike, RGBImage

GEOJSON: Final = (".geojson", ".geojson.gz", ".geojson.zip", ".json")
MASKS: Final = (".png", ".tif", ".tiff")
_ENDS: Final = ("_mask", "_labels", "_label", "-labels", "_strokes", "_painted")
_NO_STROKES: Final = OBJECTS | {"tmaCore"}


@dataclass(frozen=True, slots=True)
class ReadStrokes:
    """Strokes that were read.

    Attributes
    ----------
    classes : ClassTable
        Their classes.
    strokes : tuple of Strokes
        One for each image.
    notices : tuple of str
        What was left out.
    """

    classes: ClassTable
    strokes: tuple[Strokes, ...]
    notices: tuple[str, ...]


def read_strokes(
    paths: Sequence[PathLike],
    images: PathLike | None = None,
    classes: ClassTable | None = None,
    *,
    mpp: float | None = None,
) -> ReadStrokes:
    """Strokes of folders and files.

    Parameters
    ----------
    paths : sequence of path
        Folders of saved strokes; GeoJSON files; masks whose value ``i + 1`` is class ``i`` and 0 is
        unpainted; folders of such files.
    images : path, optional
        The image, or the folder with images of the same names, of GeoJSON files and masks.
    classes : ClassTable, optional
        Classes in their order; those of saved strokes and of annotations otherwise. Annotations are matched
        by name; other classes are made. Masks need them.
    mpp : float, optional
        Micrometres per pixel of images whose files do not say it.

    Raises
    ------
    InputError
        If a file cannot be read, or has no image.
    """
    names = _Names(classes)
    found: list[Strokes] = []
    notices: list[str] = []
    for path in _files(paths):
        if is_folder(path):
            own, saved = load_strokes(path)
            index = np.array([0, *(names.value(one.name, one.colour) for one in own)], dtype=np.uint8)
            found += [replace(one, painted=index[one.painted]) for one in saved]
            continue
        image_path = _image_of(path, images)
        image = read_image(image_path)
        if path.name.lower().endswith(GEOJSON):
            painted, said = _drawn(path, image.pixels.shape[:2], names)
            notices += said
        else:
            painted = read_mask(path)
            if classes is None:
                raise InputError(f"{path}: expected classes for the values of masks, got none; name them")
        one = Strokes(
            image_path.name, image.pixels, painted, image.mpp or mpp, (0, 0), str(Path(image_path).absolute())
        )
        found.append(one)
    table = names.table()
    for one in found:
        one.counts(len(table))
    return ReadStrokes(table, tuple(found), tuple(notices))


MOST_UNPAINTED: Final = 64
"""Images without strokes that are read; of more, evenly spaced ones."""


def read_unpainted(
    folder: PathLike, strokes: Sequence[Strokes], mpp: float | None = None
) -> tuple[tuple[RGBImage, float | None], ...]:
    """Images of a folder that nobody painted on, each with its micrometres per pixel.

    Parameters
    ----------
    folder : path
        Images; those that ``strokes`` were painted on are left out.
    strokes : sequence of Strokes
        What was painted.
    mpp : float, optional
        Micrometres per pixel of images whose files do not say it.

    Raises
    ------
    InputError
        If there is no such folder, it holds no image but those that were painted, or one cannot be read.
    """
    if not is_folder(folder):
        raise InputError(f"{folder}: expected a folder of images without strokes, got none; check the path")
    painted = {normal(Path(one.source).stem) for one in strokes if one.source}
    found = [path for path in list_images(folder) if normal(path.stem) not in painted]
    if not found:
        raise InputError(
            f"{folder}: expected images without strokes, got none that can be read; check the folder, or "
            "leave it out"
        )
    step = max(-(-len(found) // MOST_UNPAINTED), 1)
    images = [read_image(path) for path in found[::step]]
    return tuple((image.pixels, image.mpp or mpp) for image in images)


class _Names:
    """Classes by name, in the order in which they were met."""

    def __init__(self, classes: ClassTable | None) -> None:
        self._found = {} if classes is None else {normal(one.name): one for one in classes}

    def value(self, name: str, colour: str | None) -> int:
        """Painted value of a class, which is made if it is new."""
        name = normal(name)
        if name not in self._found:
            colour = colour or palette_colour(len(self._found))
            self._found[name] = TissueClass(name=name, colour=colour)
        return list(self._found).index(name) + 1

    def table(self) -> ClassTable:
        if not self._found:
            raise InputError(
                "expected strokes or annotations with classes, got none; give each annotation a class"
            )
        return ClassTable(classes=tuple(self._found.values()))


def _files(paths: Iterable[PathLike]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, paths):
        if not is_folder(path) or holds_strokes(path):
            found.append(path)
            continue
        inside = [one for one in files_in(path) if one.name.lower().endswith((*GEOJSON, *MASKS))]
        if not inside:
            raise InputError(
                f"{path}: expected saved strokes, GeoJSON files or masks, got a folder without; name another"
            )
        found += sorted(inside)
    return found


def _stem(path: Path) -> str:
    name = path.name
    low = name.lower()
    end = next((end for end in sorted((*GEOJSON, *MASKS), key=len, reverse=True) if low.endswith(end)), None)
    stem = path.stem if end is None else name[: -len(end)]
    return next((stem[: -len(mark)] for mark in _ENDS if stem.lower().endswith(mark)), stem)


def _image_of(path: Path, images: PathLike | None) -> Path:
    if images is None:
        raise InputError(f"{path}: expected the image that was painted, got none; name images")
    if not is_folder(images):
        return Path(images)
    stem = normal(_stem(path))
    match = [one for one in list_images(images) if normal(one.stem) in (stem, normal(path.name))]
    if len(match) != 1:
        raise InputError(
            f"{path}: expected one image called {harmless(stem)} in {images}, got {len(match)}; give it that "
            "name"
        )
    return match[0]


def _drawn(
    path: Path, shape: tuple[int, ...], names: _Names
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[str]]:
    """Annotations with a class, in their order; what is ignored counts nowhere, wherever it stands."""
    features = read_geojson(path)
    shown: list[Feature] = []
    nowhere: list[Feature] = []
    left_out = 0
    for one in features:
        if one.object_type in _NO_STROKES or one.class_name is None:
            left_out += 1
        elif is_ignored(one.class_name):
            nowhere.append(one)
        else:
            names.value(one.class_name, one.colour)
            shown.append(one)
    values = {name: names.value(name, None) for one in shown if (name := one.class_name) is not None}
    painted = painted_annotations(shown, nowhere, (shape[0], shape[1]), values)
    notices = list(features.notices)
    if left_out:
        notices.append(
            f"{path.name}: {left_out} object(s) without a class, or no annotations, are no strokes"
        )
    return painted, notices
