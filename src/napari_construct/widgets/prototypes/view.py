"""The similarity map, and the nearest prototype under the cursor."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, Final

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.layers import METADATA_KEY
from napari_construct.widgets.prototypes.job import sample_job
from napari_construct.widgets.prototypes.layers import similarity_name
from napari_construct.widgets.prototypes.requests import Compared

LOOK_MS: Final = 80
"""Milliseconds between two looks at the cursor."""

_HINT: Final = "Press Compare. Then point at the image to see its nearest prototype here."
_OUTSIDE: Final = "Point at the image to see its nearest prototype here."


class SimilarityView(QWidget):
    """Shows the map of any prototype on one layer, without another run of the network."""

    decidingRequested = Signal()
    shown = Signal(str)
    """Name of the prototype whose map is on the layer now."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._compared: Compared | None = None
        self._layer: weakref.ref[Any] | None = None
        self._position: tuple[float, ...] = ()
        self._prototype = ""
        self._job = LiveJob("Similarity map", self)
        self._job.returned.connect(self._on_sampled)
        tip = (
            "Nearest prototype and cosine similarity (-1 to 1) under the cursor, before class presence, "
            "glass rule and CRF"
        )
        self._label = wrapped_label("Under the cursor", tip, self, _HINT)
        tip = "Add a labels layer with the nearest prototype of each pixel"
        self._deciding = button("Show nearest prototypes", tip, self.decidingRequested, self)
        stacked(self, self._label, self._deciding)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    def setReady(self, ready: bool) -> None:
        """Whether a layer can be requested now."""
        self._deciding.setEnabled(ready and self._compared is not None)

    def compared(self) -> Compared | None:
        """The last maps with their plane."""
        return self._compared

    def layer(self) -> Any:
        """The layer of the map, while it is in the viewer."""
        layer = None if self._layer is None else self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None

    def isBusy(self) -> bool:
        return self._job.is_busy

    def text(self) -> str:
        """The text about the place under the cursor."""
        return self._label.text()

    def show_compared(self, compared: Compared) -> Image:
        """Take over new maps; returns the layer to add."""
        self._compared, self._layer = compared, weakref.ref(compared.layer)
        self._prototype = compared.layer.metadata[METADATA_KEY]["prototype"]
        self._label.setText(_OUTSIDE)
        self._timer.start()
        return compared.layer

    def forget(self) -> None:
        """Forget the maps of another model; layers stay."""
        self._job.cancel()
        self._timer.stop()
        self._compared, self._layer = None, None
        self._label.setText(_HINT)

    def showPrototype(self, name: str) -> None:
        """Show the map of another prototype on the layer."""
        if self._compared is not None and name != self._prototype and self.layer() is not None:
            self._prototype = name
            self._job.request(partial(sample_job, self._compared, name))

    def pause(self) -> None:
        """Stop following the cursor until the next maps."""
        self._timer.stop()

    def tell(self, position: tuple[float, ...]) -> None:
        """Show the nearest prototype at a position of the viewer."""
        place = self._place(position)
        if place is None or self._compared is None:
            self._label.setText(_OUTSIDE)
            return
        deciding, similarity = self._compared.maps.at(*place)
        text = f"Nearest: {deciding.name}, similarity {similarity[deciding.index]:.2f}"
        chosen = next((p for p in self._compared.maps.prototypes if p.name == self._prototype), None)
        if chosen is not None and chosen != deciding:
            text += f"; {chosen.name}: {similarity[chosen.index]:.2f}"
        self._label.setText(f"{text}. Class {deciding.tissue}.")

    def _look(self) -> None:
        position = tuple(self._viewer.cursor.position)
        if position != self._position and self.isVisible():
            self._position = position
            self.tell(position)

    def _place(self, position: tuple[float, ...]) -> tuple[int, int] | None:
        """Row and column in the maps; None outside or on another plane."""
        layer = self.layer()
        if layer is None or self._compared is None or len(position) < layer.ndim:
            return None
        at = np.rint(np.asarray(layer.world_to_data(position[-layer.ndim :]))).astype(int)
        shape = (1,) * (layer.ndim - 2) + self._compared.maps.shape
        if not all(0 <= i < n for i, n in zip(at, shape, strict=True)):
            return None
        return int(at[-2]), int(at[-1])

    def _on_sampled(self, found: tuple[str, NDArray[np.float32]]) -> None:
        layer = self.layer()
        if layer is None or self._compared is None:  # deleted meanwhile
            return
        name, data = found
        before = similarity_name(self._compared.plane, layer.metadata[METADATA_KEY]["prototype"])
        layer.data = data
        layer.metadata[METADATA_KEY]["prototype"] = name
        if layer.name.startswith(before):  # keep a name by the user and a number by napari
            layer.name = similarity_name(self._compared.plane, name) + layer.name.removeprefix(before)
        self.shown.emit(name)
