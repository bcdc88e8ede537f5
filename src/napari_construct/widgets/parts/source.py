"""Chooses what is segmented: layer, region and planes."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_construct.data.slides.slide import Slide
from napari_construct.widgets.fields.controls import named, tick
from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.fields.layout import form, stacked
from napari_construct.widgets.fields.message_label import Level, MessageLabel
from napari_construct.widgets.jobs.predictors import is_student
from napari_construct.widgets.layers import (
    PixelSize,
    Plane,
    channel_at,
    data_point,
    layer_shape,
    pixel_size,
    plane_at,
    plane_on_view,
    region_window,
    slice_point,
    viewer_point,
)
from napari_construct.widgets.layers.enlarging import Enlarging, enlarging
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.layers.slides import is_large
from napari_construct.widgets.layers.whole_slide import whole_slide
from napari_construct.widgets.parts.channel_rows import ChannelRows
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.pixel_size_row import PixelSizeRow

_REGIONS: Final = {
    "whole": "Whole image",
    "visible": "Visible part",
    "shapes": "Selected shapes",
}
_SLIDE: Final = {"slide": "Whole slide", "whole": "Whole, in memory"}
_PARTS: Final = {"slide": "all", "visible": "the visible part", "shapes": "the marked part"}
_ON_VIEW: Final = -1


class SourceChooser(QWidget):
    """Chooses a layer, a region, and for stacks one plane or all along an axis.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered.

    Attributes
    ----------
    channels : ChannelRows
        Which channel a student looks at.
    """

    layerChanged = Signal(object)
    changed = Signal()
    """Region, planes or pixel size."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer = named(LayerChooser(viewer, self), "Image layer", "The image to segment")
        tip = (
            "The whole image, or a part of it. A part is faster, to try settings. A whole slide is segmented "
            "piece by piece, into a folder"
        )
        self._region = narrow_combo(self, "Region", tip, _REGIONS)
        tip = "Planes of a stack: the visible one, or all along an axis"
        self._planes = narrow_combo(self, "Planes", tip)
        tip = "After Cancel, finished planes are added. The other planes stay empty"
        self._keep = tick("Keep finished planes", tip, self)
        self._keep.setObjectName("keep finished planes")
        self._form: QFormLayout = form()
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._size = PixelSizeRow(self)
        self._enlarged = MessageLabel(self)
        self._slides = False
        self._slide: Slide | None = None
        self._model_mpp: float | None = None
        self._given_mpp: float | None = None
        self._follower = Follower(self, "follow_size")
        self._form.addRow("Image", self._layer)
        self.channels = ChannelRows(self._form, self)
        self._form.addRow("Region", self._region)
        self._form.addRow("Planes", self._planes)
        self._form.addRow("On Cancel", self._keep)
        stacked(self, self._form, self._size, self._enlarged).setSpacing(6)
        self._planes.currentIndexChanged.connect(self._on_planes)
        self._region.currentIndexChanged.connect(self.follow_size)
        self._layer.layerChanged.connect(self._on_layer)
        self.channels.axisChanged.connect(self._fill_planes)
        self.channels.changed.connect(self.changed)
        self._on_layer(self._layer.layer())

    def form(self) -> QFormLayout:
        """The rows, to which others may be added."""
        return self._form

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._layer.layer()

    def offerSlides(self) -> None:
        """Offer to segment whole slides out of core."""
        self._slides = True
        self._on_layer(self._layer.layer())

    def slide(self) -> Slide | None:
        """The slide to segment as a whole; None where a part, or an image in memory, is."""
        return self._slide if self.region() == "slide" else None

    def setLayer(self, layer: Any) -> None:
        """Choose a layer and keep it, as a choice by hand does."""
        self._layer.setLayer(layer)

    def follow(self) -> None:
        """Follow the active layer again."""
        self._layer.follow()

    def setHeld(self, held: bool) -> None:
        """Stay with the layer while a job runs."""
        self._layer.setHeld(held)

    def size(self) -> PixelSize:
        """The pixel size of the layer."""
        layer = self._layer.layer()
        return PixelSize(None) if layer is None else pixel_size(layer)

    def showModel(self, predictor: Any) -> None:
        """Go by the resolution of a model; None while it is not known."""
        self._model_mpp = getattr(predictor, "mpp", None)
        if predictor is not None:
            self.channels.setWanted(is_student(predictor))
        self._size.showModel(getattr(predictor, "patch_mpp", None))
        self.follow_size()

    def showGiven(self, mpp: float | None) -> None:
        """A pixel size among the options, which goes before that of the layer."""
        if mpp != self._given_mpp:
            self._given_mpp = mpp
            self.follow_size()

    def givenSize(self) -> float | None:
        """The pixel size among the options, which goes before that of the layer."""
        return self._given_mpp

    def enlarging(self) -> Enlarging:
        """How the image is enlarged for the model, where the user should know."""
        layer = self._layer.layer()
        mpp = self._given_mpp or self.size().mpp
        if layer is None or mpp is None or self._model_mpp is None:
            return Enlarging()
        rows, columns = layer_shape(layer)[-2:]
        whole = self.region() == "whole"
        return enlarging(layer.name, (rows, columns), mpp, self._model_mpp, whole)

    def action(self, verb: str) -> tuple[str, str]:
        """What a run does, and the name of the layer: "Segment the visible part of " and "slide"."""
        layer, axis = self._layer.layer(), self.planeAxis()
        if layer is None:
            return "", ""
        parts = [_PARTS[self.region()]] if self.region() in _PARTS else []
        if axis is not None:
            parts.append(f"{layer_shape(layer)[axis]} planes")
        enlarged = self.enlarging()
        does = f"Enlarge {enlarged.factor:.3g}x and {verb.lower()}" if enlarged.asks else verb
        return "".join([f"{does} ", *(f"{part} of " for part in parts)]), layer.name

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
            return (self._of_channel(here),)
        count = layer_shape(layer)[axis]
        indices = [(*here.index[:axis], i, *here.index[axis + 1 :]) for i in range(count)]
        return tuple(self._of_channel(plane_at(layer, index, window)) for index in indices)

    def showChannel(self) -> None:
        """Bring the channel that a student looks at on view."""
        layer, axis, chosen = self._layer.layer(), self.channels.axis(), self.channels.channel()
        if axis is None or chosen is None:
            return
        point = data_point(layer, self._viewer.dims.point, self._viewer.layers)
        point[axis] = chosen[0]
        world = viewer_point(layer, point, self._viewer.layers)
        self._viewer.dims.set_point(self._viewer.dims.ndim - layer.ndim + axis, float(world[axis]))

    def _of_channel(self, plane: Plane) -> Plane:
        axis, chosen = self.channels.axis(), self.channels.channel()
        if axis is None or chosen is None:
            return plane
        return channel_at(plane, self._layer.layer(), axis, *chosen)

    def _on_layer(self, layer: Any) -> None:
        several = layer is not None and len(layer_shape(layer)) > 2
        on_view = plane_on_view(layer, slice_point(layer, self._viewer)).index[0] if several else 0
        self._fill_regions()
        self.channels.showLayer(layer, on_view)
        self._fill_planes()
        names = () if layer is None else ("scale", "units", "metadata", "data", "name")
        self._follower.follow([getattr(layer.events, name) for name in names])
        self.layerChanged.emit(layer)

    def _fill_regions(self) -> None:
        """The regions of the layer; a slide is first offered as a whole."""
        layer, before, was = self._layer.layer(), self.region(), self._slide
        found = whole_slide(layer) if self._slides else None
        if found is was:
            return
        self._slide = found
        choices = _REGIONS if found is None else {**_SLIDE, **_REGIONS, "whole": _SLIDE["whole"]}
        if found is not None and is_large(found):
            choices = {key: words for key, words in choices.items() if key != "whole"}
        blocked = self._region.blockSignals(True)
        self._region.clear()
        for key, words in choices.items():
            self._region.addItem(words, key)
        self.setRegion("slide" if found is not None and (was is None or before == "slide") else before)
        self._region.blockSignals(blocked)

    def _fill_planes(self) -> None:
        """The planes of the layer; its channels are none."""
        layer, before, channels = self._layer.layer(), self.planeAxis(), self.channels.axis()
        self._planes.clear()
        self._planes.addItem("Visible plane", _ON_VIEW)
        shape = () if layer is None else layer_shape(layer)
        axes = [axis for axis in range(len(shape) - 2) if axis != channels]
        for axis in axes:
            self._planes.addItem(f"All {shape[axis]} along axis {layer.axis_labels[axis]}", axis)
        self.setPlaneAxis(before)
        self._form.setRowVisible(self._planes, bool(axes))
        self._on_planes()

    def _on_planes(self, *_: object) -> None:
        self._form.setRowVisible(self._keep, self.planeAxis() is not None)
        self.follow_size()

    def follow_size(self, *_: object) -> None:
        """Show the pixel size where it has to be chosen, and what the model makes of the image."""
        layer = self._layer.layer()
        self._size.showLayer(layer, overruled=self._given_mpp is not None)
        enlarged = self.enlarging()
        self._enlarged.showMessage(enlarged.text, Level.WARNING)
        self.changed.emit()
