"""Chooses what is segmented: layer, region and planes."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.controls import named, tick
from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.fields.layout import form
from napari_construct.widgets.layers import (
    Plane,
    layer_shape,
    plane_at,
    plane_on_view,
    region_window,
    slice_point,
)
from napari_construct.widgets.parts.layer_chooser import LayerChooser

_REGIONS: Final = {
    "whole": "Whole image",
    "visible": "Visible part",
    "shapes": "Selected shapes",
}
_ON_VIEW: Final = -1


class SourceChooser(QWidget):
    """Chooses a layer, a region, and for stacks one plane or all along an axis.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered.
    """

    layerChanged = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer = named(LayerChooser(viewer, self), "Image layer", "The image to segment")
        tip = "The whole image, or a part of it. A part is faster, to try settings"
        self._region = narrow_combo(self, "Region", tip, _REGIONS)
        tip = "Planes of a stack: the visible one, or all along an axis"
        self._planes = narrow_combo(self, "Planes", tip)
        tip = "After Cancel, finished planes are added. The other planes stay empty"
        self._keep = tick("Keep finished planes", tip, self)
        self._keep.setObjectName("keep finished planes")
        self._form = form(self)
        self._form.addRow("Image", self._layer)
        self._form.addRow("Region", self._region)
        self._form.addRow("Planes", self._planes)
        self._form.addRow("On Cancel", self._keep)
        self._planes.currentIndexChanged.connect(self._on_planes)
        self._layer.layerChanged.connect(self._on_layer)
        self._on_layer(self._layer.layer())

    def addRow(self, label: str, field: QWidget) -> None:
        """Add a field below the others."""
        self._form.addRow(label, field)

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._layer.layer()

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def region(self) -> str:
        """The part: "whole", "visible" or "shapes"."""
        return str(self._region.currentData())

    def setRegion(self, region: str) -> None:
        self._region.setCurrentIndex(max(self._region.findData(region), 0))

    def planeAxis(self) -> int | None:
        """The axis along which all planes are taken; None for the visible plane."""
        axis = self._planes.currentData()
        return None if axis is None or axis == _ON_VIEW else int(axis)

    def setPlaneAxis(self, axis: int | None) -> None:
        self._planes.setCurrentIndex(max(self._planes.findData(_ON_VIEW if axis is None else axis), 0))

    def keepsFinished(self) -> bool:
        """Whether finished planes are kept when the run is cancelled."""
        return bool(self._keep.isChecked())

    def setKeepsFinished(self, keep: bool) -> None:
        self._keep.setChecked(keep)

    def planes(self) -> tuple[Plane, ...]:
        """The planes to segment.

        Raises
        ------
        InputError
            If there is no such region.
        """
        layer = self._layer.layer()
        window = region_window(layer, self.region(), self._viewer.layers, self._viewer)
        here = plane_on_view(layer, slice_point(layer, self._viewer), window)
        axis = self.planeAxis()
        if axis is None:
            return (here,)
        count = layer_shape(layer)[axis]
        indices = [(*here.index[:axis], i, *here.index[axis + 1 :]) for i in range(count)]
        return tuple(plane_at(layer, index, window) for index in indices)

    def _on_layer(self, layer: Any) -> None:
        before = self.planeAxis()
        self._planes.clear()
        self._planes.addItem("Visible plane", _ON_VIEW)
        shape = () if layer is None else layer_shape(layer)
        for axis, count in enumerate(shape[:-2]):
            self._planes.addItem(f"All {count} along axis {layer.axis_labels[axis]}", axis)
        self.setPlaneAxis(before)
        self._form.setRowVisible(self._planes, len(shape) > 2)
        self._on_planes()
        self.layerChanged.emit(layer)

    def _on_planes(self, *_: object) -> None:
        self._form.setRowVisible(self._keep, self.planeAxis() is not None)
