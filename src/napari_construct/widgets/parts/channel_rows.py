"""Rows that choose the channel of a layer, for models that look at one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_construct.data.channels.read import read_channel_header
from napari_construct.data.channels.stains import NUCLEAR_STAINS, channels_showing
from napari_construct.data.formats import image_format
from napari_construct.data.limits import MAX_CHANNELS
from napari_construct.data.stored import RED_GREEN_BLUE
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.layers import layer_shape

_NO_AXIS: Final = -1
_AXIS_NAMES: Final = ("c", "ch", "channel", "channels")


class ChannelRows(QObject):
    """Which axis of a layer counts channels, and which channel is taken; on view for a student only.

    Parameters
    ----------
    rows : QFormLayout
        Where the two rows are added.
    parent : QWidget
        Their parent.
    """

    axisChanged = Signal()
    changed = Signal()

    def __init__(self, rows: QFormLayout, parent: QWidget) -> None:
        super().__init__(parent)
        self._form = rows
        self._layer: Any = None
        self._wanted = False
        self._names: tuple[str, ...] = ()
        tip = "Which axis of the image counts its channels; the others are planes of a stack"
        self._axis = narrow_combo(parent, "Channel axis", tip)
        tip = "The channel that the model looks at: the one in which nuclei are bright"
        self._channel = narrow_combo(parent, "Channel", tip)
        rows.addRow("Channels", self._axis)
        rows.addRow("Channel", self._channel)
        self._axis.currentIndexChanged.connect(self._on_axis)
        self._channel.currentIndexChanged.connect(self.changed)
        self.showLayer(None, 0)

    def setWanted(self, wanted: bool) -> None:
        """Whether the model looks at one channel."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._show_rows()
            self.axisChanged.emit()

    def showLayer(self, layer: Any, position: int = 0) -> None:
        """Offer the axes and channels of a layer; ``position`` is the one on view of the first axis."""
        self._layer = layer
        shape = () if layer is None or layer.rgb else layer_shape(layer)[:-2]
        blocked = self._axis.blockSignals(True)
        self._axis.clear()
        self._axis.addItem("None: one channel", _NO_AXIS)
        for axis, count in enumerate(shape):
            if 1 < count <= MAX_CHANNELS:
                label = str(layer.axis_labels[axis])
                called = axis if label.lstrip("-").isdigit() else label  # napari counts from the end
                self._axis.addItem(f"{count} along axis {called}", axis)
        self._axis.setCurrentIndex(max(self._axis.findData(_axis_of(layer, shape)), 0))
        self._axis.blockSignals(blocked)
        self._fill(position)
        self._show_rows()

    def axis(self) -> int | None:
        """The axis of the channels; None where there is none, or no student."""
        axis = self._axis.currentData()
        return None if not self._wanted or axis is None or axis == _NO_AXIS else int(axis)

    def setAxis(self, axis: int | None) -> None:
        self._axis.setCurrentIndex(max(self._axis.findData(_NO_AXIS if axis is None else axis), 0))

    def channel(self) -> tuple[int, str] | None:
        """Number and name of the chosen channel; None where the image decides."""
        number = self._channel.currentData()
        if not self._wanted or number is None or number < 0:
            return None
        return int(number), self._names[number]

    def setChannel(self, number: int | None) -> None:
        """Choose a channel by its number from 0."""
        self._channel.setCurrentIndex(max(self._channel.findData(-1 if number is None else number), 0))

    def _on_axis(self, *_: object) -> None:
        self._fill(0)
        self._show_rows()
        self.axisChanged.emit()

    def _fill(self, position: int) -> None:
        blocked = self._channel.blockSignals(True)
        self._channel.clear()
        self._names = ()
        axis = self._axis.currentData()
        if self._layer is not None and self._layer.rgb:
            self._names = RED_GREEN_BLUE
            self._channel.addItem("Automatic: grey", -1)
        elif axis is not None and axis != _NO_AXIS:
            count = layer_shape(self._layer)[axis]
            found = _names_of(self._layer, count)
            self._names = found or tuple(map(str, range(count)))
        for number, name in enumerate(self._names):
            self._channel.addItem(name, number)
        nuclear = channels_showing(self._names, NUCLEAR_STAINS)
        if self._layer is not None and not self._layer.rgb and self._names:
            self.setChannel(nuclear[0] if len(nuclear) == 1 else min(position, len(self._names) - 1))
        self._channel.blockSignals(blocked)
        self.changed.emit()

    def _show_rows(self) -> None:
        self._form.setRowVisible(self._axis, self._wanted and self._axis.count() > 1)
        self._form.setRowVisible(self._channel, self._wanted and bool(self._names))


def channels_of(layer: Any) -> tuple[int, tuple[str, ...]] | None:
    """The axis of a layer that counts channels, and their names; None where nothing says so."""
    shape = () if layer.rgb else layer_shape(layer)[:-2]
    axis = _axis_of(layer, shape)
    if axis == _NO_AXIS:
        return None
    return axis, _names_of(layer, shape[axis]) or tuple(map(str, range(shape[axis])))


def _axis_of(layer: Any, shape: tuple[int, ...]) -> int:
    """The axis that is called one of channels, or is as long as the channels of the layer's file."""
    for axis in range(len(shape)):
        if str(layer.axis_labels[axis]).lower() in _AXIS_NAMES:
            return axis
    return 0 if len(shape) == 1 and _names_of(layer, shape[0]) else _NO_AXIS


def _names_of(layer: Any, count: int) -> tuple[str, ...]:
    """Names of the channels in the layer's file, if it has as many and names them."""
    path = None if layer is None else layer.source.path
    if path is None:
        return ()
    try:
        about = Path(str(path)).stat()
        names = _of_file(str(path), about.st_mtime_ns, about.st_size)
    except (OSError, ValueError, ConstructError):
        return ()
    return names if len(names) == count and len(set(names)) == count else ()


@lru_cache(maxsize=64)
def _of_file(path: str, changed: int, size: int) -> tuple[str, ...]:  # noqa: ARG001 - the file as it is now
    """Of a TIFF: others name no channels, or would be decoded for it."""
    if Path(path).is_dir() or image_format(Path(path)) != "tiff":
        return ()
    names = read_channel_header(path).names
    return () if names == tuple(map(str, range(len(names)))) else names
