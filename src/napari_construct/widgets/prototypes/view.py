"""What of the comparison is on the canvas, and what holds under the cursor."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, Final

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QLabel, QRadioButton, QWidget
from superqt import QFlowLayout

from napari_construct.widgets.fields.controls import named, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.layers import METADATA_KEY, is_untouched, mark, origin_of
from napari_construct.widgets.prototypes.job import sample_job
from napari_construct.widgets.prototypes.layers import DECIDING, KIND, similarity_name
from napari_construct.widgets.prototypes.requests import Compared

LOOK_MS: Final = 80
"""Milliseconds between two looks at the cursor."""

_APART: Final = 12
"""Pixels between two choices beside each other."""
_HINT: Final = "Press Compare. Then point at the image to see here which prototype decides."
_OUTSIDE: Final = "Point at the image to see here which prototype decides."
_VIRIDIS: Final = "#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"


class SimilarityView(QWidget):
    """Shows one of two things on the canvas, each on a layer of its own, without another run of the network.

    The similarity to the chosen prototype, or which prototype decides each place.
    """

    decidingRequested = Signal()
    shown = Signal(str)
    """Name of the prototype whose map is on the layer now."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._compared: Compared | None = None
        self._layer: weakref.ref[Any] | None = None
        self._nearest: weakref.ref[Any] | None = None
        self._position: tuple[float, ...] = ()
        self._prototype = ""
        self._job = LiveJob("Similarity map", self)
        self._job.returned.connect(self._on_sampled)
        tip = (
            "The deciding prototype, its cosine similarity (-1 to 1) and its class under the cursor, before "
            "class presence, glass rule and CRF"
        )
        self._label = wrapped_label("Under the cursor", tip, self, _HINT)
        tip = "Bright: similar to the prototype that is chosen in the list. It may decide there or not"
        self._similar = named(QRadioButton("Similarity to the chosen one", self), "Show the similarity", tip)
        tip = "At each place the nearest prototype decides, and gives its class. Colours as in the list"
        self._decides = named(QRadioButton("Which one decides", self), "Show which prototype decides", tip)
        self._similar.setChecked(True)
        self._legend = named(QLabel(self), "Legend", "Colours of the similarity, and what they stand for")
        self._legend.hide()
        choice = QFlowLayout()
        choice.setContentsMargins(0, 0, 0, 0)
        choice.setHorizontalSpacing(_APART)
        for part in (self._similar, self._decides):
            choice.addWidget(part)
        stacked(self, choice, self._legend, self._label)
        self._similar.toggled.connect(self._on_choice)
        self.setReady(False)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    def setReady(self, ready: bool) -> None:
        """Whether there is a choice, and a layer can be requested now."""
        for part in (self._similar, self._decides):
            part.setEnabled(ready and self._compared is not None)

    def compared(self) -> Compared | None:
        """The last maps with their plane."""
        return self._compared

    def layer(self) -> Any:
        """The layer of the similarity map, while it is in the viewer."""
        return self._in_viewer(self._layer)

    def deciding(self) -> Any:
        """The layer of the deciding prototypes, while it is in the viewer."""
        return self._in_viewer(self._nearest)

    def _in_viewer(self, place: weakref.ref[Any] | None) -> Any:
        layer = None if place is None else place()
        return layer if layer is not None and layer in self._viewer.layers else None

    def isBusy(self) -> bool:
        return self._job.is_busy

    def text(self) -> str:
        """The text about the place under the cursor."""
        return self._label.text()

    def show_compared(self, compared: Compared) -> Image:
        """Take over new maps; returns the layer to add."""
        if (before := self.deciding()) is not None:
            before.visible = False
        self._compared, self._layer, self._nearest = compared, weakref.ref(compared.layer), None
        self._choose_similarity()
        self._legend.setText(_legend(*compared.maps.limits()))
        self._legend.show()
        self._prototype = compared.layer.metadata[METADATA_KEY]["prototype"]
        self._label.setText(_OUTSIDE)
        self._timer.start()
        return compared.layer

    def show_deciding(self, layer: Labels) -> Labels:
        """Take over the layer of the deciding prototypes, which is then on the canvas alone."""
        self._nearest = weakref.ref(layer)
        self._show_one()
        return layer

    def takeAdded(self, layer: Any) -> None:
        """Go on with the layer that is on view: a map that repeats an untouched one is shown on that."""
        if self._compared is None:
            return
        kind = layer.metadata[METADATA_KEY]["kind"]
        if kind == KIND:
            self._layer = weakref.ref(layer)
            layer.contrast_limits = self._compared.maps.limits()
        elif kind == DECIDING:
            self._nearest = weakref.ref(layer)
        self._show_one()

    def _on_choice(self, *_: object) -> None:
        self._legend.setVisible(self._similar.isChecked() and self._compared is not None)
        if self._decides.isChecked() and self.deciding() is None:
            self.decidingRequested.emit()
        else:
            self._show_one()

    def _show_one(self) -> None:
        """Of the two layers, show what was chosen."""
        for layer, button in ((self.layer(), self._similar), (self.deciding(), self._decides)):
            if layer is not None:
                layer.visible = button.isChecked()

    def _choose_similarity(self) -> None:
        blocked = self._similar.blockSignals(True)
        self._similar.setChecked(True)
        self._similar.blockSignals(blocked)

    def forget(self) -> None:
        """Forget the maps of another model; layers stay."""
        self._job.cancel()
        self._timer.stop()
        self._compared, self._layer, self._nearest = None, None, None
        self._legend.hide()
        self.setReady(False)
        self._label.setText(_HINT)

    def showPrototype(self, name: str) -> None:
        """Show where another prototype is similar."""
        if self._compared is not None and name != self._prototype and self._decides.isChecked():
            self._similar.setChecked(True)
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
        text = (
            f"{deciding.name} decides here, similarity {similarity[deciding.index]:.2f}: {deciding.tissue}."
        )
        chosen = next((p for p in self._compared.maps.prototypes if p.name == self._prototype), None)
        if chosen is not None and chosen != deciding:
            text += f" {chosen.name}, chosen above: {similarity[chosen.index]:.2f}."
        self._label.setText(text)

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
        origin, untouched = origin_of(layer), is_untouched(layer)
        before = similarity_name(self._compared.plane, layer.metadata[METADATA_KEY]["prototype"])
        layer.data = data
        layer.metadata[METADATA_KEY]["prototype"] = name
        if layer.name.startswith(before):  # keep a name by the user and a number by napari
            layer.name = similarity_name(self._compared.plane, name) + layer.name.removeprefix(before)
        if origin is not None and untouched:
            mark(layer, origin)
        self.shown.emit(name)


def _legend(low: float, high: float) -> str:
    """The colours from unlike to alike as a line of text, with the similarities at its ends."""
    colours = "".join(f"<span style='background:{colour}'>{'&nbsp;' * 6}</span>" for colour in _VIRIDIS)
    return f"unlike {low:.2f} {colours} {high:.2f} alike"
