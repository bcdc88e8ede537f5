"""A list of layers that proposes one by what it is, and none where that is allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.narrow_combo import NarrowCombo
from napari_construct.widgets.layers.follower import Follower


class LayerPick(NarrowCombo):
    """Chooses a layer; until that is done by hand, or again when the layer is gone, one is proposed.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are offered.
    accepts : callable
        Which of them.
    guess : callable
        From those that are offered to the one that is proposed, or None.
    none : str
        Text of the entry for no layer.
    """

    cut = Qt.TextElideMode.ElideMiddle
    layerChanged = Signal()

    def __init__(
        self,
        viewer: Any,
        accepts: Callable[[Any], bool],
        guess: Callable[[Sequence[Any]], Any],
        none: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._accepts, self._guess, self._none = viewer, accepts, guess, none
        self._layers: list[Any] = []
        self._chosen: Any = None
        self._by_hand = False
        self.currentIndexChanged.connect(self._on_index)
        events = viewer.layers.events
        signals = (events.inserted, events.removed, events.reordered, events.renamed)
        self._follower = Follower(self, "refresh", signals)
        self.refresh()

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._chosen

    def setLayer(self, layer: Any) -> None:
        """Choose a layer of the viewer, or None, as by hand."""
        self._by_hand = True
        self._set(next((one for one in self._layers if one == layer), None))

    def propose(self) -> None:
        """Propose a layer again, where none was chosen by hand."""
        self.refresh()

    def refresh(self) -> None:
        """Read the viewer's layers again; a layer that was chosen by hand stays while it exists."""
        self._layers = [layer for layer in self._viewer.layers if self._accepts(layer)]
        if self._chosen is not None and self._chosen not in self._layers:
            self._by_hand = False
        self._set(self._chosen if self._by_hand else self._guess(self._layers))

    def _set(self, layer: Any) -> None:
        blocked = self.blockSignals(True)
        self.clear()
        self.addItem(self._none)
        for each in self._layers:
            self.addItem(each.name)
        self.setCurrentIndex(self._layers.index(layer) + 1 if layer in self._layers else 0)
        self.blockSignals(blocked)
        if layer is not self._chosen:
            self._chosen = layer
            self.layerChanged.emit()

    def _on_index(self, index: int) -> None:
        self.setLayer(self._layers[index - 1] if index > 0 else None)
