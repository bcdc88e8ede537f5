"""The outline of what the user painted, as a layer on demand."""

from __future__ import annotations

import weakref
from typing import Any, Final

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_construct.widgets.layers.place import twin_placement

_COLOUR: Final = "#F0E442"
_WIDTH: Final = 2
"""Of the outline in pixels."""


class PaintedOutline:
    """Shows painted pixels of one refined mask at a time; the layer is no mask and cannot be painted on.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layer is added.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._of: weakref.ref[Labels] | None = None
        self._layer: weakref.ref[Labels] | None = None

    def show(self, target: Labels, painted: NDArray[np.bool_]) -> None:
        """Outline pixels of a mask; the layer that was active stays active."""
        shown = self._there()
        if shown is not None and (self._of is None or self._of() is not target):
            self.hide()
            shown = None
        if shown is not None:
            shown.data = painted.astype(np.uint8)
            return
        active = self._viewer.layers.selection.active
        layer = _outline(target, painted)
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = active
        self._of, self._layer = weakref.ref(target), weakref.ref(layer)

    def hide(self) -> None:
        """Remove the layer."""
        layer = self._there()
        self._of = self._layer = None
        if layer is not None:
            self._viewer.layers.remove(layer)

    def isShown(self) -> bool:
        return self._there() is not None

    def _there(self) -> Labels | None:
        layer = None if self._layer is None else self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None


def _outline(target: Labels, painted: NDArray[np.bool_]) -> Labels:
    layer = Labels(
        painted.astype(np.uint8),
        name=f"{target.name} painted",
        colormap=DirectLabelColormap(color_dict={None: (0, 0, 0, 0), 0: (0, 0, 0, 0), 1: _COLOUR}),
        opacity=1.0,
        **{name: value for name, value in twin_placement(target).items() if name != "opacity"},
    )
    layer.contour = _WIDTH
    layer.editable = False
    return layer
