"""A list of the viewer's layers of one kind; it follows the viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_construct.widgets.fields.controls import narrow
from napari_construct.widgets.layers import is_source
from napari_construct.widgets.layers.follower import Follower


class LayerChooser(QComboBox):
    """Chooses a layer; follows layers that are added, renamed, moved or removed.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are offered.
    accepts : callable
        Which of them; by default images that are not results of this plugin.
    """

    layerChanged = Signal(object)

    def __init__(
        self, viewer: Any, parent: QWidget | None = None, *, accepts: Callable[[Any], bool] = is_source
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._layers: list[Any] = []
        self._current: Any = None
        narrow(self)
        self.currentIndexChanged.connect(self._on_index)
        events = viewer.layers.events
        self._follower = Follower(
            self, "refresh", (events.inserted, events.removed, events.reordered, events.renamed)
        )
        self.refresh()
        active = viewer.layers.selection.active
        if active is not None and accepts(active):
            self.setLayer(active)

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._current

    def setLayer(self, layer: Any) -> None:
        """Choose a layer of the viewer."""
        for i, offered in enumerate(self._layers):
            if offered == layer:
                self.setCurrentIndex(i)

    def refresh(self) -> None:
        """Read the viewer's layers again; the choice stays while its layer exists."""
        self._layers = [layer for layer in self._viewer.layers if self._accepts(layer)]
        self.blockSignals(True)
        self.clear()
        for layer in self._layers:
            self.addItem(layer.name)
        kept = [i for i, layer in enumerate(self._layers) if layer == self._current]
        index = kept[0] if kept else len(self._layers) - 1
        self.setCurrentIndex(index)
        self.blockSignals(False)
        self._on_index(index)

    def _on_index(self, index: int) -> None:
        layer = self._layers[index] if 0 <= index < len(self._layers) else None
        if layer != self._current:
            self._current = layer
            self.layerChanged.emit(layer)
