"""Opens a model in Segment tissue, from another dock widget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.controls import named


def hand_over(viewer: Any, model: Path) -> None:
    """Choose a checkpoint in the viewer's Segment tissue, opened if needed, and bring it to the front."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-construct", "Segment tissue")
    dock.show()
    dock.raise_()
    widget.setModel(str(model))


class UseModelButton(QPushButton):
    """*Use this model*; enabled while the checkpoint's file exists.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose Segment tissue gets the model.
    """

    used = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__("Use this model", parent)
        self._viewer = viewer
        self._model: Path | None = None
        named(self, "Use this model", "Open the model of the last validation in Segment tissue")
        self.clicked.connect(self.use)
        self.setModel(None)

    def setModel(self, model: Path | None) -> None:
        """The checkpoint, which may not exist yet, or None."""
        self._model = model
        self.setEnabled(model is not None and is_file(model))

    def use(self, *_: object) -> None:
        """Hand the model over, as a click does."""
        if self._model is not None and is_file(self._model):
            hand_over(self._viewer, self._model)
            self.used.emit()
