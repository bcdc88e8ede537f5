"""Annotations of two folders, paired by the names of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from napari_construct.data.listing import list_folder
from napari_construct.export.geojson import ENDINGS
from napari_construct.export.own_files import result_name
from napari_construct.reading.names import folded, named
from napari_construct.reading.places import files_in, is_file

_MARKS: Final = tuple(
    f"{before}{word}"
    for before in "_ -"
    for word in ("mask", "labels", "anno", "annotation", "annotations", "gt")
)


class FolderPairs(NamedTuple):
    """Name, file of the first and file of the second folder; and what has no partner."""

    pairs: tuple[tuple[str, Path, Path], ...]
    notices: tuple[str, ...]


def folder_pairs(first: Path, second: Path) -> FolderPairs:
    """Masks and GeoJSON files of two folders by their names without endings and marks such as ``_mask``."""
    one, other = _annotations(first), _annotations(second)
    shared = [key for key in one if key in other]
    notices = [
        f"{folder.name}: {len(alone)} file(s) without a partner are left out: {named(alone)}"
        for folder, here, there in ((first, one, other), (second, other, one))
        if (alone := [path.name for key, path in here.items() if key not in there])
    ]
    return FolderPairs(tuple((_stem(one[key]), one[key], other[key]) for key in shared), tuple(notices))


def _annotations(folder: Path) -> dict[str, Path]:
    """Files by what their names share; GeoJSON before a mask of the same name."""
    masks = list_folder(folder, is_result=_no_result).images
    objects = [path for path in files_in(folder) if is_file(path) and path.name.lower().endswith(ENDINGS)]
    return {folded(_stem(path)): path for path in (*masks, *sorted(objects))}


def _stem(path: Path) -> str:
    name = path.name
    for ending in (*ENDINGS, ".geojson"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    name = result_name(Path(name))
    for suffix in (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    mark = next((mark for mark in _MARKS if name.lower().endswith(mark) and len(name) > len(mark)), "")
    return name[: len(name) - len(mark)]


def _no_result(_: Path) -> bool:
    """Masks of this package are compared, too."""
    return False
