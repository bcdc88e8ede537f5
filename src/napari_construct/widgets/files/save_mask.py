"""Save a mask with its classes, in a dialog of our own: napari offers its own format first, without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_construct.widgets.files import geojson_writer
from napari_construct.widgets.files.names import saved_path
from napari_construct.widgets.files.preferred import prefer_us
from napari_construct.widgets.files.writers import (
    is_cells,
    maps_of_cells,
    write_labels,
    write_overlay_png,
    write_zarr,
)

MASK: Final = "Mask with classes (*.tif)"
NUMBERS: Final = "Numbered cells and their table (*.tif)"
NUMBERS_AND_MAPS: Final = "Numbered cells with foreground and boundary (*.tif)"
ANNOTATIONS: Final = "Annotations for QuPath (*.geojson)"
DETECTIONS: Final = "Cells as detections for QuPath (*.geojson)"
OVERLAY: Final = "Picture with the mask drawn over it (*.png)"
ZARR: Final = "Image and mask as OME-Zarr (*.ome.zarr)"
_ENDINGS: Final = {MASK: "mask", ANNOTATIONS: "geojson", OVERLAY: "overlay", ZARR: "zarr"}


def save_mask(mask: Labels, image: Any = None, parent: QWidget | None = None) -> Path | None:
    """Ask where to save a mask or cells, and save them; a mask with its image also as a picture or OME-Zarr.

    Returns
    -------
    Path or None
        The written file; None if nothing was chosen.

    Raises
    ------
    ConstructError
        If it cannot be written there.
    """
    source = None if image is None else image.source.path
    folder = Path(source).parent if source else Path.cwd()
    name = "".join(c for c in mask.name if c not in '/\\:*?"<>|')
    cells = is_cells(mask)
    numbers = [NUMBERS] if maps_of_cells(mask) is None else [NUMBERS, NUMBERS_AND_MAPS]
    kinds = [*numbers, DETECTIONS] if cells else [MASK, ANNOTATIONS] if image is None else list(_ENDINGS)
    suggested = saved_path(str(folder / f"{name}.tif"), "cells" if cells else "mask")
    title = "Save the cells" if cells else "Save the mask"
    typed, kind = QFileDialog.getSaveFileName(parent, title, str(suggested), ";;".join(kinds))
    if not typed:
        return None
    prefer_us()
    if kind in (OVERLAY, ZARR):
        pair = [image.as_layer_data_tuple(), mask.as_layer_data_tuple()]
        stem = typed.removesuffix(suggested.suffix) if Path(typed).name == suggested.name else typed
        return Path((write_overlay_png if kind == OVERLAY else write_zarr)(stem, pair)[0])
    if kind in (ANNOTATIONS, DETECTIONS):
        stem = typed.removesuffix(suggested.suffix) if typed.endswith(suggested.suffix) else typed
        data, attributes, _ = mask.as_layer_data_tuple()
        return Path(geojson_writer.write_labels(stem, data, attributes)[0])
    data, attributes, _ = mask.as_layer_data_tuple()
    return Path(write_labels(typed, data, attributes, maps=kind == NUMBERS_AND_MAPS)[0])
