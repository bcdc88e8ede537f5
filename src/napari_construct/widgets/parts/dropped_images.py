"""What is dropped on a dock that works on one image: images, checkpoints, folders of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from napari_construct.data.image_header import read_header
from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.listing import IMAGE_SUFFIXES, ZARR_SUFFIX
from napari_construct.exceptions import ConstructError
from napari_construct.export.geojson import ENDINGS
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.reading.places import is_folder
from napari_construct.results.stored_tiff_pyramid import is_tiff_pyramid
from napari_construct.widgets.files.geojson_reader import layers_of_geojson
from napari_construct.widgets.files.names import SCANNED_SUFFIXES
from napari_construct.widgets.files.slides import is_slide
from napari_construct.widgets.parts.slide_commands import open_slide_layer

_TIFF: Final = (".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ptif", ".ptiff")
BUILT_IN: Final = "napari"


class Sorted(NamedTuple):
    """Dropped paths by what they are."""

    images: list[Path]
    models: list[Path]
    folders: list[Path]
    others: list[Path]


def sort_dropped(paths: Sequence[Path]) -> Sorted:
    """Images (a Zarr is a folder), checkpoints, folders, and the rest."""
    found = Sorted([], [], [], [])
    for path in paths:
        kind = path.suffix.lower()
        if kind in IMAGE_SUFFIXES or kind == ZARR_SUFFIX or kind in SCANNED_SUFFIXES:
            found.images.append(path)
        elif is_folder(path):
            found.folders.append(path)
        else:
            (found.models if kind == SUFFIX else found.others).append(path)
    return found


def open_dropped(viewer: Any, images: Sequence[Path]) -> str:
    """Open images with the reader that napari takes; why some could not be opened, or nothing.

    Where several readers know a file and the user prefers none, napari's own is taken: a list of them would
    be a window that nobody asked for.
    """
    said = []
    for path in images:
        try:
            if path.suffix.lower() not in (ZARR_SUFFIX, *SCANNED_SUFFIXES):
                read_header(path)  # a damaged file is refused in plain words, and before any plugin sees it
            slide = path.suffix.lower() in _TIFF and not is_tiff_pyramid(path) and is_slide(path)
            if slide:  # napari's own reads all of it
                open_slide_layer(viewer, path)
                continue
            try:
                viewer.open(str(path), plugin=None)
            except RuntimeError as error:
                if not hasattr(error, "available_readers"):  # napari's MultipleReaderError has them
                    raise
                viewer.open(str(path), plugin=BUILT_IN)
        except ConstructError as error:
            said.append(str(error))
        except METADATA_ERRORS as error:
            text = str(error).strip().splitlines()
            said.append(f"{path.name}: cannot be opened ({text[0] if text else type(error).__name__})")
    return "\n".join(said)


def are_annotations(path: Path) -> bool:
    """Whether a file is GeoJSON by its name."""
    return path.name.lower().endswith(ENDINGS)


def open_annotations(viewer: Any, paths: Sequence[Path]) -> str:
    """Open GeoJSON over its images, which are open already; what is said of it."""
    said = []
    for path in paths:
        try:
            layers, notices = layers_of_geojson(path, viewer)
        except ConstructError as error:
            said.append(str(error))
            continue
        for layer in layers:
            viewer.add_layer(layer)
        said += notices
    return "\n".join(said)
