"""Sample pictures in napari's menu File > Open Sample."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.widgets._layers import label_colormap

LayerData = tuple[Any, dict[str, Any], str]

_MPP = 0.25
_PLACEMENT: dict[str, Any] = {
    "scale": (_MPP, _MPP),
    "units": ("micrometer", "micrometer"),
    "axis_labels": ("y", "x"),
}
_SOURCE = {
    "source": "CAMELYON16, slide tumor_001, region of 1024 px at x 70458, y 132262",
    "licence": "CC0",
    "stain": "H&E",
    "mpp": _MPP,
}


def lymph_node_tumour() -> list[LayerData]:
    """H&E region of a lymph node with a metastasis, 1024 px at 0.25 um/px."""
    with as_file(files("napari_construct.data") / "samples" / "lymph_node_tumour.png") as path:
        pixels = read_image(path).pixels
    options = {"name": "lymph node", "rgb": True, "metadata": dict(_SOURCE), **_PLACEMENT}
    return [(pixels, options, "image")]


def lymph_node_tumour_annotated() -> list[LayerData]:
    """The same region with its annotation as labels: 1 tumour, 2 lymphoid, 0 white."""
    with as_file(files("napari_construct.data") / "samples" / "lymph_node_tumour_mask.png") as path:
        classes = np.asarray(read_mask(path))
    table = ClassTable.from_names(("tumour", "lymphoid"))
    labels = np.where(classes < len(table), classes + 1, 0).astype(np.uint8)
    options = {
        "name": "lymph node (annotation)",
        "colormap": label_colormap(table),
        "features": {"index": [1, 2], "class": list(table.names)},
        "opacity": 0.5,
        "metadata": dict(_SOURCE),
        **_PLACEMENT,
    }
    return [*lymph_node_tumour(), (labels, options, "labels")]
