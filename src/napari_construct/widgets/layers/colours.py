"""Colormaps of classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from napari.utils.colormaps import Colormap, DirectLabelColormap

from napari_construct.classes import ClassTable, rgb_of
from napari_construct.widgets.layers.place import METADATA_KEY


def label_colormap(classes: ClassTable) -> DirectLabelColormap:
    """Label ``i + 1`` in the colour of class ``i``; hidden classes and other labels are transparent."""
    colours: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    colours |= {i: tissue.colour for i, tissue in enumerate(classes, start=1) if tissue.shown}
    return DirectLabelColormap(color_dict=colours, name="tissue classes")


def class_colormap(colour: str) -> Colormap:
    """From transparent to a class's colour; additive blending is invisible on bright-field images."""
    red, green, blue = (channel / 255 for channel in rgb_of(colour))
    return Colormap([[red, green, blue, 0.0], [red, green, blue, 1.0]], name=f"class {colour}")


def recolour(layers: Iterable[Any], table: ClassTable) -> None:
    """Give the plugin's own results other colours; classes are known by their names."""
    styles = {tissue.name: tissue for tissue in table}
    for layer in layers:
        known = layer.metadata.get(METADATA_KEY, {})
        names = known.get("classes") or ()
        if names and set(names) <= set(styles):
            layer.colormap = label_colormap(ClassTable(classes=tuple(styles[name] for name in names)))
        elif known.get("kind") == "cam" and known.get("class") in styles:
            layer.colormap = class_colormap(styles[known["class"]].colour)
