"""What one step hands to another: a model, an image, a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.layers import METADATA_KEY
from napari_construct.widgets.parts.navigation import show_step

_DIGITS: Final = 9
_NAMED: Final = 6
"""More classes than these would fill the dock."""


def hand_over(viewer: Any, model: Path) -> None:
    """Choose a checkpoint in Segment, and bring that on view."""
    show_step(viewer, "segment").setModel(str(model))


def to_batch(viewer: Any, image: Any, model: str, settings: SegmentSettings | CellSettings | None) -> None:
    """Put an image layer with its model and settings into Batch; a running batch is only brought on view."""
    batch = show_step(viewer, "batch")
    if not batch.isRunning():
        batch.take(image, model, settings)


def folders_to_batch(viewer: Any, folders: Sequence[Path]) -> str:
    """Put folders of images into Batch, which segments all of them; what is said of it."""
    batch = show_step(viewer, "batch")
    names = ", ".join(folder.name for folder in folders)
    if batch.isRunning():
        return f"{names}: Batch segments folders, and it is running. Drop them there when it is over."
    batch.addPaths([str(folder) for folder in folders])
    return f"{names}: added to Batch, which segments all images of a folder."


def to_evaluate(viewer: Any, model: Path, images: str = "") -> None:
    """Choose a checkpoint in Evaluate, and the folder with images and masks where there is one."""
    evaluate = show_step(viewer, "evaluate")
    if not evaluate.isRunning():
        evaluate.takeModel(str(model), images)


def to_train(viewer: Any, patches: Path) -> None:
    """Choose labelled patches in Train, and bring that on view; a run goes on with its own."""
    train = show_step(viewer, "train")
    if not train.isRunning():
        train.setData(str(patches))


def to_refine(viewer: Any, mask: Any) -> None:
    """Choose a mask in Refine."""
    show_step(viewer, "refine").setLayer(mask)


def correct(viewer: Any, mask: Any) -> str:
    """Let the user paint on a mask; which keys do what."""
    _select(viewer, mask)
    mask.visible = True
    mask.mode = "paint"
    return f"Paint on the image. {_keys(mask)} E erases, P paints again, Ctrl+Z takes back."


def _select(viewer: Any, layer: Any) -> None:
    viewer.layers.selection.active = layer


def _keys(mask: Any) -> str:
    """E.g. "1 tumour, 2 stroma."."""
    classes: Sequence[str] = mask.metadata.get(METADATA_KEY, {}).get("classes", ())
    if not classes:
        return ""
    if len(classes) > _NAMED:
        return f"Keys 1 to {min(len(classes), _DIGITS)} choose the class."
    return f"{', '.join(f'{value} {name}' for value, name in enumerate(classes, 1))}."


class UseModelButton(QPushButton):
    """*Use this model*; enabled while the checkpoint's file exists.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose Segment gets the model.
    """

    used = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__("Use this model", parent)
        self._viewer = viewer
        self._model: Path | None = None
        named(self, "Use this model", "Open the model of the last validation in Segment")
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
