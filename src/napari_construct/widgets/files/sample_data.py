"""Sample images in napari's menu File > Open Sample."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.widgets.layers import label_colormap

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


def lymph_node_stack() -> list[LayerData]:
    """Four neighbouring squares of 256 px of the same region as a stack."""
    (pixels, options, kind), *_ = lymph_node_tumour()
    corners = [(512, 512), (512, 768), (768, 512), (768, 768)]
    planes = np.stack([pixels[y : y + 256, x : x + 256] for y, x in corners])
    placement = {
        "scale": (1.0, _MPP, _MPP),
        "units": ("pixel", "micrometer", "micrometer"),
        "axis_labels": ("plane", "y", "x"),
    }
    return [(planes, {**options, "name": "lymph node (stack)", **placement}, kind)]


def lymph_node_with_glass() -> list[LayerData]:
    """A square of the same region beside bare glass, to try the glass rule.

    The glass is drawn: off-white with the faint noise of a camera, with a curved border to the tissue.
    """
    (pixels, options, kind), *_ = lymph_node_tumour()
    part = pixels[512:1024, 512:1024].copy()
    rows, columns = np.mgrid[:512, :512]
    glass = columns < 170 + 40 * np.sin(rows / 60)
    noise = np.random.default_rng(0).normal(0, 1.5, part.shape)
    drawn = np.clip(np.array([243.0, 241.0, 245.0]) + noise, 0, 255).astype(np.uint8)
    part[glass] = drawn[glass]
    return [(part, {**options, "name": "lymph node beside glass"}, kind)]
