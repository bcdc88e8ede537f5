"""Stored results as layers: those of ``segment``, ``demo``, ``batch`` and the writers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from napari.layers import Image, Layer
from napari.utils.notifications import show_info

from napari_construct.export.own_files import MASK_MARKS, has_tissue_labels, is_pyramid, result_name
from napari_construct.reading.places import is_folder
from napari_construct.results.read import load_result
from napari_construct.results.result import StoredResult
from napari_construct.results.stored_tiff_pyramid import is_tiff_pyramid
from napari_construct.results.stored_zarr import open_zarr
from napari_construct.widgets.files.stored_pyramid import pyramid_layers, tiff_pyramid_layer
from napari_construct.widgets.layers import (
    METADATA_KEY,
    NO_MASKS,
    cam_layer,
    cell_features,
    cell_map_layer,
    cells_layer,
    keep_opened,
    label_features,
    labels_layer,
)

_LABELS_IN_MEMORY: Final = 16384 * 16384
"""Masks with at most this number of pixels are read whole, so that they can be painted on."""


def layers_of(path: Path) -> list[Layer]:
    """CAMs and labels of a stored result; image and labels of an OME-Zarr; of a label pyramid (OME-Zarr,
    OME-TIFF) its levels.

    Raises
    ------
    InputError
        If a file is missing or does not match the record.
    """
    if is_folder(path) and is_pyramid(path):
        layers, notices = pyramid_layers(path)
        _say(notices)
        return layers
    if is_folder(path) and has_tissue_labels(path):
        return zarr_layers(path)
    if not is_folder(path) and is_tiff_pyramid(path):
        mask, notices = tiff_pyramid_layer(path)
        _say(notices)
        return [mask]
    stored = load_result(path)
    _say(stored.notices)
    return stored_layers(stored, _name(path))


def _name(path: Path) -> str:
    """The name of the layers."""
    if path.suffix.lower() != ".json":
        return result_name(path)
    of_file = Path(path.stem).suffix.lower() in {".tif", ".tiff", ".png", ".zarr"}  # NAME_mask.tif.json
    return result_name(Path(path.stem)) if of_file else path.stem


def stored_layers(stored: StoredResult, name: str) -> list[Layer]:
    """One image layer per stored CAM, then the labels; of cells their foreground and their numbers."""
    place = placement(stored.mpp)
    if stored.instances is not None:
        return cell_layers(stored, name)
    cams = () if stored.cams is None else zip(stored.classes, stored.cams, strict=True)
    layers: list[Layer] = [
        cam_layer(cam, tissue, name, record=stored.record, **place) for tissue, cam in cams
    ]
    said = str(stored.record.get("kind"))
    kind = "refined" if said == "refined" else "labels"
    labels = labels_layer(
        stored.labels,
        stored.classes,
        name.removesuffix(MASK_MARKS[-1]),
        kind=kind,
        features=label_features(stored),
        record=stored.record,
        **placement(stored.mpp, stored.labels.ndim),
    )
    if said in NO_MASKS:  # its file is named as a mask, so that it opens here
        labels.name = name
        labels.metadata[METADATA_KEY]["kind"] = said
    return [*layers, labels]


def cell_layers(stored: StoredResult, name: str) -> list[Layer]:
    """The numbered cells with their table, and below them the maps that were written, hidden."""
    numbers: Any = stored.instances
    cells = cells_layer(
        numbers,
        name,
        features=cell_features(stored),
        record=stored.record,
        **placement(stored.mpp, numbers.ndim),
    )
    keep_opened(cells, stored)
    written = {"foreground": None if stored.cams is None else stored.cams[0], "boundary": stored.boundary}
    maps: list[Layer] = [
        cell_map_layer(values, kind, name, record=stored.record, place=cells)
        for kind, values in written.items()
        if values is not None
    ]
    for one in maps:
        one.visible = False
    return [*maps, cells]


def zarr_layers(path: Path) -> list[Layer]:
    """The image of an OME-Zarr as lazy levels, and its labels with their classes."""
    import dask.array

    da: Any = dask.array
    found, name = open_zarr(path), result_name(path)
    _say(found.notices)
    levels = [da.moveaxis(da.from_zarr(level), 0, 2) for level in found.image]
    labels, place = found.labels[0], placement(found.mpp)
    small = labels.shape[0] * labels.shape[1] <= _LABELS_IN_MEMORY
    data: Any = found.read_labels() if small else [da.from_zarr(level) for level in found.labels]
    features = {"index": list(range(1, len(found.classes) + 1)), "class": list(found.classes.names)}
    return [
        Image(levels, name=name, rgb=True, multiscale=True, **place),
        labels_layer(data, found.classes, name, features=features, record=found.record, **place),
    ]


def _say(notices: tuple[str, ...]) -> None:
    for text in notices:
        show_info(text)


def placement(mpp: float | None, ndim: int = 2) -> dict[str, Any]:
    """Scale and units of a layer with square pixels; axes before rows and columns are planes."""
    if not isinstance(mpp, int | float) or not 0 < mpp < math.inf:  # a record that somebody edited
        return {}
    before = ndim - 2
    return {"scale": (1.0,) * before + (mpp, mpp), "units": ("pixel",) * before + ("micrometer",) * 2}
