"""Layers of strokes and masks in a viewer: what is painted on, and what is shown."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.widgets.layers import (
    Plane,
    is_untouched,
    layer_shape,
    origin_of,
    plane_on_view,
    slice_point,
)
from napari_construct.widgets.layers.origin import take_over
from napari_construct.widgets.layers.strokes import (
    field_of,
    is_used,
    rows_of,
    stroke_layers,
    strokes_of_image,
    style_strokes,
)
from napari_construct.widgets.teach.brush import covers_view, part_on_view, take_up
from napari_construct.widgets.teach.requests import PaintedLayer
from napari_construct.widgets.teach.values import PaintedValues
from napari_construct.widgets.teach.work import LARGEST


class Painting:
    """The strokes of a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they are.
    table : ClassTable
        The classes at first.
    """

    def __init__(self, viewer: Any, table: ClassTable) -> None:
        self._viewer = viewer
        self.values = PaintedValues(table)

    def layers(self) -> list[Labels]:
        """The layers of strokes."""
        return stroke_layers(self._viewer.layers)

    def painted(self) -> tuple[PaintedLayer, ...]:
        """What is painted now; the arrays are those of the layers."""
        found = []
        for layer in self.layers():
            field = field_of(layer)
            if field is not None:
                found.append(PaintedLayer(str(layer.unique_id), field, rows_of(layer), is_used(layer)))
        return tuple(found)

    def follow(self, table: ClassTable) -> None:
        """Give the classes of another table their values; without strokes they begin anew, in its order.

        Raises
        ------
        ConfigurationError
            If there were more classes than values.
        """
        if self.layers():
            self.values.follow(table)
        else:
            self.values = PaintedValues(table)

    def style(self, table: ClassTable) -> None:
        """Show all strokes in the colours of these classes."""
        values = self.values.of(table)
        for layer in self.layers():
            style_strokes(layer, table, values)

    def view(self, image: Any) -> Plane | None:
        """What is on view of an image; None where nothing is."""
        if image is None:
            return None
        try:
            window = part_on_view(image, self._viewer)
        except InputError:
            return None
        return plane_on_view(image, slice_point(image, self._viewer), window)

    def to_paint(self, image: Any) -> Labels | Plane:
        """The layer of strokes for what is on view of an image, or the plane for which one is to be made.

        Raises
        ------
        InputError
            If the image is large and nothing of it is on view.
        """
        plane = plane_on_view(image, slice_point(image, self._viewer))
        for layer in strokes_of_image(image, plane.index, self._viewer.layers):
            field = field_of(layer)
            if field is not None and (field.whole or covers_view(layer, self._viewer)):
                return layer
        rows, columns = layer_shape(image)[-2:]
        if rows * columns <= LARGEST:
            return plane
        window = part_on_view(image, self._viewer)
        return plane_on_view(image, slice_point(image, self._viewer), window)

    def take_up(self, layer: Labels, table: ClassTable, row: int) -> None:
        """Paint on a layer with a class."""
        names = table.names
        take_up(layer, self.values.of(table)[names[min(row, len(names) - 1)]], self._viewer)

    def row_of(self, table: ClassTable) -> int | None:
        """The class with which the active layer of strokes is painted; None where none is active."""
        active = self._viewer.layers.selection.active
        if active is None or field_of(active) is None:
            return None
        values = list(self.values.of(table).values())
        return values.index(active.selected_label) if active.selected_label in values else None

    def show_mask(self, layer: Labels) -> Labels:
        """Bring a new mask on view in place of the one before, which stays if it was painted on.

        It lies below the strokes, and what is selected stays selected: a person is painting.
        """
        origin, layers = origin_of(layer), self._viewer.layers
        former = next((one for one in layers if origin_of(one) == origin and is_untouched(one)), None)
        if former is not None:
            take_over(former, layer)
            return former
        active = layers.selection.active
        below = [i for i, one in enumerate(layers) if field_of(one) is not None]
        layers.insert(below[0] if below else len(layers), layer)
        if active is not None:
            layers.selection.active = active
        return layer
