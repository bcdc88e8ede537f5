"""The buttons of Teach: live or once, the model, the strokes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Points, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QWidget

from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.fields.controls import button, named, tick
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.parts.hand_over import UseModelButton
from napari_construct.widgets.parts.layer_chooser import LayerChooser


class LiveButtons(QWidget):
    """Whether the mask follows every stroke, or is brought up to date on request."""

    once = Signal()
    liveChanged = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = tick("Live", "Repaint the part on view after every stroke", self)
        self.live.setChecked(True)
        self.live.toggled.connect(self.liveChanged)
        tip = "Learn from all strokes and repaint the part on view now"
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.live)
        row.addWidget(button("Update once", tip, self._on_once, self), 1)

    def _on_once(self, *_: object) -> None:
        self.once.emit()


class ModelButtons(QWidget):
    """Save the model, and use it in Segment."""

    saveRequested = Signal(object)
    """Path of the checkpoint."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Save what was learned as a model for Segment, Batch, slides and the command line"
        self._save = button("Save as model...", tip, self._on_save, self)
        self.use = UseModelButton(viewer, self)
        named(self.use, "Use this model", "Open the saved model in Segment")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._save, 1)
        row.addWidget(self.use, 1)

    def setReady(self, ready: bool) -> None:
        """Whether there is a model to save."""
        self._save.setEnabled(ready)

    def _on_save(self, *_: object) -> None:
        path, _kind = QFileDialog.getSaveFileName(
            self, "Save the model", f"taught{SUFFIX}", f"Models (*{SUFFIX})"
        )
        if path:
            self.saveRequested.emit(Path(path))


class StrokesButtons(QWidget):
    """Paint, take over what was drawn; save and open strokes."""

    paintRequested = Signal()
    drawnRequested = Signal(object)
    """A layer of points or shapes."""
    saveRequested = Signal(object)
    openRequested = Signal(object)
    """A folder."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Make a layer of strokes for the part on view, and paint with the selected class"
        self._paint = button("Paint", tip, self._on_paint, self, name="Paint strokes")
        tip = "Points or shapes that mark examples of the selected class"
        self._drawn = named(LayerChooser(viewer, self, accepts=_is_drawn), "Points or shapes", tip)
        self._drawn.setMinimumContentsLength(4)
        tip = "Paint what these points or shapes cover with the selected class: the selected ones, or all"
        self._take = button("Take", tip, self._on_take, self, name="Take points or shapes as strokes")
        tip = "Save all strokes with the pixels under them in a folder, for later and for the command line"
        self._save = button("Save strokes...", tip, self._on_save, self)
        opens = button("Open strokes...", "Open strokes that were saved in a folder", self._on_open, self)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self._paint, 1)
        first.addWidget(self._drawn, 1)
        first.addWidget(self._take)
        second.addWidget(self._save, 1)
        second.addWidget(opens, 1)
        stacked(self, first, second)
        self._drawn.layerChanged.connect(self._refresh)
        self._refresh()

    def setReady(self, *, image: bool, strokes: bool) -> None:
        """Whether there is an image to paint on, and whether there are strokes to save."""
        self._paint.setEnabled(image)
        self._save.setEnabled(strokes)

    def setDrawn(self, layer: Any) -> None:
        """Choose a layer of points or shapes."""
        self._drawn.setLayer(layer)

    def _refresh(self, *_: object) -> None:
        there = self._drawn.layer() is not None
        self._drawn.setVisible(there)
        self._take.setVisible(there)

    def _on_paint(self, *_: object) -> None:
        self.paintRequested.emit()

    def _on_take(self, *_: object) -> None:
        self.drawnRequested.emit(self._drawn.layer())

    def _on_save(self, *_: object) -> None:
        path, _kind = QFileDialog.getSaveFileName(self, "Save the strokes in a new folder", "strokes")
        if path:
            self.saveRequested.emit(Path(path))

    def _on_open(self, *_: object) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open the folder of strokes")
        if path:
            self.openRequested.emit(Path(path))


def _is_drawn(layer: Any) -> bool:
    """Whether a layer holds points or shapes."""
    return isinstance(layer, Points | Shapes)
