"""The images of a distillation: files, or layers of the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_construct.data.channels.file_names import typed_channel_files
from napari_construct.data.channels.stains import MEMBRANE_STAINS, NUCLEAR_STAINS, shows
from napari_construct.widgets.distil.layer_pick import LayerPick
from napari_construct.widgets.distil.request import FileImages, Images, LayerImages
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.fields import ChoiceField, NumberField, TextField
from napari_construct.widgets.fields.layout import form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.layers import layer_shape, pixel_size
from napari_construct.widgets.layers.channel_arrays import (
    channels_of,
    is_channel,
    is_labels,
    kept_array,
    whole_array,
)

FILES: Final = "files"
LAYERS: Final = "layers"
_MODES: Final = {FILES: "Folder or file", LAYERS: "Viewer layers"}
_AXES: Final = {None: "none: one channel", 0: "first axis", 1: "second axis"}
_SHARE: Final = 0.15


class ImagesInput(QWidget):
    """Edits which images are trained on."""

    valueChanged = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Images of a folder or of a TissueNet file, or layers that are open here"
        self.mode = named(ChoiceField(_MODES, parent=self), "Images", tip)
        tip = (
            "A folder of multi-channel images, with or without label images; a TissueNet file (.npz); a "
            "BBBC038 folder"
        )
        name, kinds = "Images of several channels", "TissueNet (*.npz)"
        self.path = PathRow(name, tip, ("folder", "file"), kinds=kinds, parent=self)
        self.path.setHint("a folder or .npz")
        tip = (
            "Where each channel is a file (image1_DAPI.tif) or a folder (DAPI/image1.tif): their names in "
            "order, such as DAPI,membrane. Empty finds known stains; none takes every file for an image"
        )
        self.channel_files = named(TextField("found by names", parent=self), "Channel files", tip)
        self.nuclear = LayerPick(viewer, is_channel, _nuclear, "none", self)
        named(self.nuclear, "Nuclear layer", "The image layer with the nuclei, or with all channels")
        self.membrane = LayerPick(viewer, is_channel, self._membrane, "none", self)
        named(self.membrane, "Membrane layer", "The image layer with the membranes, for the teacher")
        tip = "Where the layer holds several channels: which of its axes they are"
        self.axis = named(ChoiceField(_AXES, parent=self), "Axis of channels", tip)
        self.truth = LayerPick(viewer, is_labels, lambda _: None, "none", self)
        named(self.truth, "Drawn cells", "A labels layer with cells drawn by hand, each with its own number")
        tip = "Micrometres per pixel of all images, where files or layers do not say it"
        self.mpp = NumberField(0, 100, 0.05, 4, none_text="as stated", parent=self)
        named(self.mpp, "Pixel size of the images (µm)", tip)
        tip = "Fraction of the images that nothing is trained on; the student is scored on them"
        self.share = NumberField(0, 0.9, 0.05, 2, parent=self)
        named(self.share, "Held out", tip)
        self.share.put(_SHARE)
        self._rows = form()
        self._build_layout()
        self._connect()
        self._on_mode()

    def value(self, *, keeps: bool = False) -> Images | None:
        """The images; None while none are chosen.

        Parameters
        ----------
        keeps : bool
            Whether labels are copied, so that a run does not see what is painted after its start.

        Raises
        ------
        ConstructError
            If the layer has no such axis, or names of channels are not written as a list.
        """
        mpp = self.mpp.get()
        given = None if mpp is None else float(mpp)
        if self.mode.get() == FILES:
            if not self.path.value():
                return None
            return FileImages(Path(self.path.value()), given, typed_channel_files(self.channel_files.get()))
        nuclear, membrane, axis, truth = (
            self.nuclear.layer(), self.membrane.layer(), self.axis.get(), self.truth.layer(),
        )  # fmt: skip
        if nuclear is None:
            return None
        axis = axis if self.split() else None
        layers = [nuclear] if axis is not None or membrane in (None, nuclear) else [nuclear, membrane]
        channels = channels_of(nuclear, axis) if axis is not None else {}
        sources = {}
        if axis is not None:
            before = ":, " * axis
            sources = {key: f"{in_python(nuclear)}[{before}{key}]" for key in channels}
        for layer in layers if axis is None else ():
            channels[layer.name] = whole_array(layer)
            sources[layer.name] = in_python(layer)
        if truth is not None:
            sources[""] = in_python(truth)
        cells = None if truth is None else kept_array(truth) if keeps else whole_array(truth)
        size = pixel_size(nuclear).mpp if given is None else given
        return LayerImages(nuclear.name, channels, cells, size, sources)

    def setFiles(self, path: str) -> None:
        """Choose a folder or a file."""
        self.mode.put(FILES)
        self.path.setValue(path)

    def setLayers(self, nuclear: Any, membrane: Any = None, *, axis: int | None = None) -> None:
        """Choose layers."""
        self.mode.put(LAYERS)
        self.nuclear.setLayer(nuclear)
        self.membrane.setLayer(membrane)
        self.axis.put(axis)

    def missing(self) -> str:
        """What is still needed; empty if images are chosen."""
        if self.mode.get() == FILES:
            return "" if self.path.value() else "Choose the images: a folder or a TissueNet file (.npz)."
        if self.nuclear.layer() is not None:
            return ""
        return "Open an image of nuclei, one layer a channel: its layers are listed here."

    def split(self) -> bool:
        """Whether an axis of one layer holds the channels."""
        return bool(self._has_axis() and self.axis.get() is not None)

    def suggestion(self) -> tuple[Path, str]:
        """Folder and name for the model's file."""
        if self.mode.get() == FILES:
            path = Path(self.path.value())
            return path.parent, path.stem
        layer = self.nuclear.layer()
        source = None if layer is None else layer.source.path
        said = "image" if layer is None else str(layer.name)
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in said)
        return (Path.home() if source is None else Path(str(source)).parent), name

    def key(self) -> object:
        """Equal while the same images are chosen."""
        if self.mode.get() == FILES:
            return self.path.value(), self.channel_files.get()
        return tuple(id(pick.layer()) for pick in (self.nuclear, self.membrane)), self.axis.get()

    def _build_layout(self) -> None:
        for words, field in (
            ("Images", self.mode), ("Path", self.path),
            ("Channel files", self.channel_files), ("Nuclear", self.nuclear),
            ("Channel axis", self.axis), ("Membrane", self.membrane),
            ("Drawn cells", self.truth), ("Pixel size (µm)", self.mpp),
            ("Held out", self.share),
        ):  # fmt: skip
            self._rows.addRow(words, field)
        self._rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        stacked(self, self._rows)

    def _connect(self) -> None:
        self.mode.edited.connect(self._on_mode)
        self.nuclear.layerChanged.connect(self._on_nuclear)
        self.axis.edited.connect(self._on_mode)
        for pick in (self.membrane, self.truth):
            pick.layerChanged.connect(self.valueChanged)
        for field in (self.path, self.channel_files, self.mpp, self.share):
            field.edited.connect(self.valueChanged)

    def _on_nuclear(self) -> None:
        self.membrane.propose()
        self._on_mode()

    def _on_mode(self, *_: object) -> None:
        """Show the rows that count."""
        layers = self.mode.get() == LAYERS
        axis = layers and self._has_axis()
        for field, shown in (
            (self.path, not layers), (self.channel_files, not layers), (self.nuclear, layers),
            (self.axis, axis), (self.membrane, layers and not self.split()),
            (self.truth, layers),
        ):  # fmt: skip
            self._rows.setRowVisible(field, bool(shown))
        self.valueChanged.emit()

    def _has_axis(self) -> bool:
        layer = self.nuclear.layer()
        return layer is not None and len(layer_shape(layer)) > 2

    def _membrane(self, layers: Sequence[Any]) -> Any:
        """Another layer of the same shape, if possible one that is called as a membrane stain."""
        nuclear = self.nuclear.layer()
        others = [
            one for one in layers
            if one is not nuclear and nuclear is not None and layer_shape(one) == layer_shape(nuclear)
        ]  # fmt: skip
        called = [one for one in others if shows(one.name, MEMBRANE_STAINS)]
        return next(iter(called or others), None)


def _nuclear(layers: Sequence[Any]) -> Any:
    """The layer that is called as a nuclear stain, else the first one."""
    return next(iter([one for one in layers if shows(one.name, NUCLEAR_STAINS)] or layers), None)


def in_python(layer: Any) -> str:
    """The array of a layer as an expression for napari's console."""
    return f"viewer.layers[{layer.name!r}].data{'[0]' if layer.multiscale else ''}"
