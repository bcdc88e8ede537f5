"""Layers of strokes: examples of classes that a person paints on an image, or on a part of it.

A class keeps its painted value for good: renaming, adding and removing classes changes the table from names
to values and never a painted pixel. On a slide, and on every image too large for one layer in memory, a layer
covers the part that was on view when it was made, at the resolution at which a model looks at it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.types import RGBImage
from napari_construct.widgets.layers.origin import Origin, mark, origin_of
from napari_construct.widgets.layers.place import METADATA_KEY, STROKES
from napari_construct.widgets.layers.plane import Plane
from napari_construct.widgets.layers.results import bind_digits

_FIELD: Final = "field"
_USED: Final = "used"
_NO_CLASS: Final = (0.5, 0.5, 0.5, 1.0)
"""Of painted values that are no class now."""

Values = Mapping[str, int]
"""The painted value of each class, by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What a layer of strokes is painted on.

    Attributes
    ----------
    name : str
        Of the image.
    image : ndarray
        (h, w, 3) uint8 RGB under the layer, read once.
    mpp : float or None
        Micrometres per pixel of it.
    place : tuple of int
        Row and column of its first pixel in the source, in pixels of level 0.
    source : str or None
        Path of the file, where there is one.
    layer : hashable
        ``unique_id`` of the image layer; None for strokes of a file whose image is not open.
    index : tuple of int
        Plane of the image layer.
    whole : bool
        Whether it is the whole plane.
    """

    name: str
    image: RGBImage
    mpp: float | None
    place: tuple[int, int] = (0, 0)
    source: str | None = None
    layer: Hashable = None
    index: tuple[int, ...] = ()
    whole: bool = True

    def __deepcopy__(self, memo: dict[int, Any]) -> Field:
        return self  # it is never changed; a duplicated layer shares it


def strokes_layer(
    field: Field,
    table: ClassTable,
    values: Values,
    *,
    painted: NDArray[np.uint8] | None = None,
    embedded: int = 0,
    **placement: Any,
) -> Labels:
    """A layer to paint on, in the colours of the classes.

    Parameters
    ----------
    field : Field
        What is under it.
    table, values : ClassTable, mapping
        The classes, and what is painted for each.
    painted : ndarray, optional
        (h, w) uint8: values that are painted already.
    embedded : int
        Number of axes of length one before rows and columns.
    **placement
        As of :attr:`~.plane.Plane.placement`.
    """
    shape = field.image.shape[:2]
    data = np.zeros(shape, np.uint8) if painted is None else painted
    layer = Labels(
        data.reshape((1,) * embedded + shape),
        name=f"{field.name} strokes",
        metadata={METADATA_KEY: {"kind": STROKES, _FIELD: field, _USED: True}},
        opacity=0.8,
        **placement,
    )
    mark(layer, Origin(STROKES, field.layer, (field.index, field.place)), stays=True)
    style_strokes(layer, table, values)
    return layer


def field_of(layer: Any) -> Field | None:
    """What a layer of strokes is painted on; None for other layers, and for one whose size was changed."""
    known = layer.metadata.get(METADATA_KEY, {}) if isinstance(layer, Labels) else {}
    field: Field | None = known.get(_FIELD) if known.get("kind") == STROKES else None
    return field if field is None or layer.data.shape[-2:] == field.image.shape[:2] else None


def stroke_layers(layers: Iterable[Any]) -> list[Labels]:
    """The layers of strokes, in the order of the layer list."""
    return [layer for layer in layers if field_of(layer) is not None]


def is_used(layer: Labels) -> bool:
    """Whether a layer of strokes is learned from."""
    return bool(layer.metadata[METADATA_KEY].get(_USED, True))


def set_used(layer: Labels, *, used: bool) -> None:
    """Learn from a layer of strokes, or keep it only."""
    layer.metadata[METADATA_KEY][_USED] = used


def style_strokes(layer: Labels, table: ClassTable, values: Values) -> None:
    """Give a layer of strokes the colours of the classes, and their digit keys."""
    colours: dict[int | None, Any] = {None: _NO_CLASS, 0: (0, 0, 0, 0)}
    colours |= {values[tissue.name]: tissue.colour for tissue in table}
    former = getattr(layer.colormap, "color_dict", None)
    made = DirectLabelColormap(color_dict=colours, name="strokes")
    if former is None or not _same(former, made.color_dict):  # else napari draws it anew
        layer.colormap = made
    bind_digits(layer, [values[tissue.name] for tissue in table])


def rows_of(layer: Labels) -> NDArray[np.uint8]:
    """(h, w): the painted values, as they are in memory."""
    data: NDArray[np.uint8] = layer.data.reshape(layer.data.shape[-2:])
    return data


def strokes_of_image(image: Any, index: tuple[int, ...], layers: Iterable[Any]) -> list[Labels]:
    """The layers of strokes of a plane of an image."""
    found = []
    for layer in stroke_layers(layers):
        field, origin = field_of(layer), origin_of(layer)
        if (
            field is not None
            and origin is not None
            and (origin.image, field.index) == (image.unique_id, index)
        ):
            found.append(layer)
    return found


def field_of_plane(plane: Plane, pixels: RGBImage, *, whole: bool, place: tuple[int, int]) -> Field:
    """The field of a plane that was read."""
    return Field(
        name=plane.name,
        image=pixels,
        mpp=plane.mpp,
        place=place,
        source=plane.path,
        layer=plane.layer,
        index=plane.index,
        whole=whole,
    )


def _same(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
