"""What is segmented: which layer, which part of it, which planes."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.fields.layout import form
from napari_construct.widgets.layers import Plane, layer_shape, plane_at, plane_on_view, region_window
from napari_construct.widgets.parts.layer_chooser import LayerChooser

_REGIONS: Final = {
    "whole": "Whole image",
    "visible": "Part on view",
    "shapes": "Around selected shapes",
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
        self._layer = LayerChooser(viewer, self)
        self._layer.setToolTip("The image to be segmented")
        self._layer.setAccessibleName("Image layer")
        tip = "The whole image, or a part of it: quick to try settings on"
        self._region = narrow_combo(self, "Region", tip, _REGIONS)
        tip = "Of a stack: the plane on view, or every plane along an axis"
        self._planes = narrow_combo(self, "Planes", tip)
        self._keep = QCheckBox("Keep finished planes", self)
        self._keep.setToolTip("When a run is cancelled, add the planes that are done; the others stay empty")
        self._keep.setAccessibleName("Keep finished planes")
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
        """Put another field under the others, so that all are aligned."""
        self._form.addRow(label, field)

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._layer.layer()

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def region(self) -> str:
        """Which part: "whole", "visible" or "shapes"."""
        return str(self._region.currentData())

    def setRegion(self, region: str) -> None:
        self._region.setCurrentIndex(max(self._region.findData(region), 0))

    def planeAxis(self) -> int | None:
        """The axis along which all planes are taken; None takes the plane on view."""
        axis = self._planes.currentData()
        return None if axis is None or axis == _ON_VIEW else int(axis)

    def setPlaneAxis(self, axis: int | None) -> None:
        self._planes.setCurrentIndex(max(self._planes.findData(_ON_VIEW if axis is None else axis), 0))

    def keepsFinished(self) -> bool:
        """Whether planes that are done are kept when the run over all of them is cancelled."""
        return bool(self._keep.isChecked())

    def setKeepsFinished(self, keep: bool) -> None:
        self._keep.setChecked(keep)

    def planes(self) -> tuple[Plane, ...]:
        """What is to be segmented, one plane or several.

        Raises
        ------
        InputError
            If the region cannot be made out.
        """
        layer = self._layer.layer()
        window = region_window(layer, self.region(), self._viewer.layers)
        here = plane_on_view(layer, tuple(self._viewer.dims.point), window)
        axis = self.planeAxis()
        if axis is None:
            return (here,)
        count = layer_shape(layer)[axis]
        indices = [(*here.index[:axis], i, *here.index[axis + 1 :]) for i in range(count)]
        return tuple(plane_at(layer, index, window) for index in indices)

    def _on_layer(self, layer: Any) -> None:
        before = self.planeAxis()
        self._planes.clear()
        self._planes.addItem("The one on view", _ON_VIEW)
        shape = () if layer is None else layer_shape(layer)
        for axis, count in enumerate(shape[:-2]):
            self._planes.addItem(f"All {count} of axis {layer.axis_labels[axis]}", axis)
        self.setPlaneAxis(before)
        self._form.setRowVisible(self._planes, len(shape) > 2)
        self._on_planes()
        self.layerChanged.emit(layer)

    def _on_planes(self, *_: object) -> None:
        self._form.setRowVisible(self._keep, self.planeAxis() is not None)
