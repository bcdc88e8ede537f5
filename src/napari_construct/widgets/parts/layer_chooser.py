"""A list of the viewer's layers of one kind; it follows the viewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.controls import plain_tip
from napari_construct.widgets.fields.narrow_combo import NarrowCombo
from napari_construct.widgets.layers import image_of, is_source
from napari_construct.widgets.layers.follower import Follower

Leads = Callable[[Any, Sequence[Any]], Any]
"""From the active layer and those that are offered to the one of them that is meant, or None."""

_FOLLOWING: Final = "Follows the layer that is selected in the layer list. Choose a name below to keep it"
_KEPT: Final = "Kept, whatever layer is selected. The first entry follows the selected layer again"


class LayerChooser(NarrowCombo):
    """Chooses a layer. It follows the active layer until one is chosen, by hand or with :meth:`setLayer`.

    The first entry follows again, and so does the chooser whose chosen layer was deleted.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are offered.
    accepts : callable
        Which of them; by default images that are not results of this plugin.
    leads : callable
        The offered layer that the active layer leads to; by default itself, or the image of a result.
    """

    cut = Qt.TextElideMode.ElideMiddle  # names of layers differ at both ends
    layerChanged = Signal(object)

    def __init__(
        self,
        viewer: Any,
        parent: QWidget | None = None,
        *,
        accepts: Callable[[Any], bool] = is_source,
        leads: Leads | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._leads = leads or image_of
        self._layers: list[Any] = []
        self._kept: Any = None
        self._current: Any = None
        self._held = False
        self._tip = ""
        self.currentIndexChanged.connect(self._on_index)
        events = viewer.layers.events
        signals = (events.inserted, events.removed, events.reordered, events.renamed)
        active = viewer.layers.selection.events.active
        self._follower = Follower(self, "refresh", (*signals, active))
        self.refresh()

    def layer(self) -> Any:
        """The chosen layer, or None."""
        return self._current

    def setLayer(self, layer: Any) -> None:
        """Choose a layer of the viewer and keep it, as a choice by hand does."""
        if layer in self._layers:
            self._kept = self._layers[self._layers.index(layer)]
            self.refresh()

    def closedText(self) -> str:
        """The name alone: that it follows is said in the list and in the tooltip."""
        return "" if self._current is None else str(self._current.name)

    def isKept(self) -> bool:
        """Whether a layer was chosen, so that the active one is not followed."""
        return self._kept is not None

    def follow(self) -> None:
        """Follow the active layer again, as the first entry does."""
        self._kept = None
        self.refresh()

    def setHeld(self, held: bool) -> None:
        """Follow no other layer while a job runs; catch up afterwards."""
        self._held = held
        self.refresh()

    def setToolTip(self, tip: str) -> None:
        """Set what the list is for; whether it follows is added."""
        self._tip = tip
        self._describe()

    def refresh(self) -> None:
        """Read the viewer's layers again; a layer that was chosen stays while it exists."""
        self._layers = [layer for layer in self._viewer.layers if self._accepts(layer)]
        if self._kept not in self._layers:
            self._kept = None
        followed = self._followed()
        self.blockSignals(True)
        self.clear()
        if followed is not None:
            self.addItem(f"{followed.name} (as selected)")
        for layer in self._layers:
            self.addItem(layer.name)
        self.setCurrentIndex(0 if self._kept is None else self._layers.index(self._kept) + 1)
        self.blockSignals(False)
        self._describe()
        self._choose(followed if self._kept is None else self._kept)

    def _followed(self) -> Any:
        """The layer that the active one leads to, else the one before, else the last one."""
        chosen = self._viewer.layers.selection.active
        active = next((layer for layer in self._viewer.layers if layer == chosen), None)  # without its proxy
        there = self._current in self._layers
        if active is not None and not (self._held and there):
            led = self._leads(active, self._layers)
            if led is not None:
                return led
        if there:
            return self._current
        for layer in reversed(self._layers):
            if self._leads(layer, self._layers) == layer:
                return layer
        return self._layers[-1] if self._layers else None

    def _on_index(self, index: int) -> None:
        """An entry was chosen by hand."""
        self._kept = self._layers[index - 1] if 0 < index <= len(self._layers) else None
        self.refresh()

    def _choose(self, layer: Any) -> None:
        if layer != self._current:
            self._current = layer
            self.layerChanged.emit(layer)

    def _describe(self) -> None:
        state = _KEPT if self.isKept() else _FOLLOWING
        super().setToolTip("\n".join(filter(None, (self._tip, plain_tip(state)))))
        self.setAccessibleDescription(state)
