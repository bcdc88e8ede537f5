"""What a user may do next with a result: a row that appears with it, and goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget
from superqt import QFlowLayout

from napari_construct.exceptions import ConstructError
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import plain
from napari_construct.widgets.files.save_mask import save_mask
from napari_construct.widgets.files.stored_pyramid import PYRAMID
from napari_construct.widgets.layers import METADATA_KEY, evidence
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.hand_over import correct, to_batch, to_refine
from napari_construct.widgets.parts.navigation import show_step

_SPACE: Final = 4


class NextSteps(QWidget):
    """Lines of words and buttons; on view from a result until the next job, or until its layer is gone.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are followed.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._offered = False
        self._said = wrapped_label("Hint", "How the chosen step works", self)
        self._lines = QGridLayout()
        self._lines.setColumnStretch(1, 1)
        stacked(self, self._lines, self._said)
        self._said.hide()
        self.hide()
        events = viewer.layers.events
        self._follower = Follower(self, "follow_layers", (events.inserted, events.removed))

    def addLine(self, words: str, *buttons: QPushButton) -> tuple[QWidget, QWidget]:
        """Add words, and beside them buttons in as many lines as the width needs; both parts."""
        label, line = QLabel(words, self), QWidget(self)
        flow = QFlowLayout(line)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(_SPACE)
        flow.setVerticalSpacing(_SPACE)
        for one in buttons:
            one.setParent(line)
            flow.addWidget(one)
        row = self._lines.rowCount()
        self._lines.addWidget(label, row, 0)
        self._lines.addWidget(line, row, 1)
        return label, line

    def offer(self, layer: Any = None) -> None:
        """Appear with a result; with a layer, as soon and as long as it is in the viewer."""
        self._layer, self._offered = layer, True
        self.hide()  # its layer may still wait to be added
        self.say("")
        self.follow_layers()

    def clear(self, *_: object) -> None:
        """Go: the result is no longer that of what is on view."""
        self._layer, self._offered = None, False
        self.follow_layers()

    def setRunning(self, running: bool) -> None:
        """A job begins, or is over."""
        if running:
            self.clear()

    def say(self, text: str) -> None:
        """Explain what was chosen."""
        self._said.setText(text)
        self._said.setVisible(bool(text))

    def follow_layers(self) -> None:
        """Be on view while the result is; a layer that was removed is let go."""
        there = self._layer is None or self._layer in self._viewer.layers
        if self._offered and not there and not self.isHidden():
            self.clear()
        else:
            self.setVisible(self._offered and there)


@dataclass(frozen=True, slots=True, eq=False)
class MaskMade:
    """A mask, and what it was made of where that is known.

    Attributes
    ----------
    mask : Labels or None
        Its layer.
    image : Image or None
        The layer of the image.
    model : str or ZeroShotSettings
        Name or path of the model, or encoder and words.
    settings : SegmentSettings, CellSettings or None
        How it was made.
    """

    mask: Any
    image: Any = None
    model: str | ZeroShotSettings = ""
    settings: SegmentSettings | CellSettings | None = None


class MaskSteps(NextSteps):
    """What may follow a mask: save it, do the same with many images; refine, correct, train."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._made = MaskMade(None)
        self._save = button("Save...", "Save this mask", self._on_save, self, name="Save the mask")
        tip = "Open the folder with the labels, the picture and the record of the slide"
        self._folder = button("Folder", tip, self._on_folder, self, name="Open the folder of the results")
        tip = "Do the same with many images: Batch, with this image, model and settings"
        self._batch = button("Batch...", tip, self._on_batch, self, name="Batch with these settings")
        tip = "Change borders and thresholds of this mask"
        self._refine = button("Refine", tip, self._on_refine, self, name="Refine the mask")
        tip = "Paint on this mask by hand"
        self._correct = button("Correct", tip, self._on_correct, self, name="Correct the mask")
        tip = "Teach the model what you corrected on this mask by painting"
        self._retrain = button("Retrain", tip, self._on_retrain, self, name="Retrain with corrections")
        tip = "Train a model on your own tissue, from patches and the classes that they show"
        self._train = button("Train", tip, self._on_train, self, name="Train on my own tissue")
        self._right = self.addLine("Looks right:", self._save, self._folder, self._batch)
        self.addLine("Looks wrong:", self._refine, self._correct, self._retrain, self._train)

    def offerMask(self, made: MaskMade) -> None:
        """Appear with a mask; without its layer only training is left."""
        self._made = made
        batch = made.image is not None and isinstance(made.model, str) and bool(made.model)
        stored = _stored(made.mask)  # a slide's mask is on disk already, and too large to paint on
        self._save.setVisible(made.mask is not None and stored is None)
        self._folder.setVisible(stored is not None)
        self._batch.setVisible(batch)
        for part in self._right:
            part.setVisible(made.mask is not None)
        self._refine.setVisible(made.mask is not None and evidence(made.mask) is not None)
        self._correct.setVisible(made.mask is not None and stored is None)
        self._retrain.setVisible(self._correct.isVisibleTo(self) and _can_be_retrained(made))
        self._train.setVisible(not isinstance(made.settings, CellSettings))
        self.offer(made.mask)

    def clear(self, *_: object) -> None:
        self._made = MaskMade(None)
        super().clear()

    def _on_save(self, *_: object) -> None:
        image = self._made.image if self._made.image in self._viewer.layers else None
        try:
            path = save_mask(self._made.mask, image, self)
        except ConstructError as error:
            self.say(plain(error))
            return
        if path is not None:
            self.say(f"Saved as {path.name} in {path.parent}.")

    def _on_folder(self, *_: object) -> None:
        stored = _stored(self._made.mask)
        if stored is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(stored.parent)))
            self.say(f"{stored.name} in {stored.parent}.")

    def _on_batch(self, *_: object) -> None:
        made = self._made
        if made.image in self._viewer.layers and isinstance(made.model, str):
            to_batch(self._viewer, made.image, made.model, made.settings)
        else:
            self.say("The image is no longer open.")

    def _on_refine(self, *_: object) -> None:
        to_refine(self._viewer, self._made.mask)

    def _on_correct(self, *_: object) -> None:
        self.say(correct(self._viewer, self._made.mask))

    def _on_retrain(self, *_: object) -> None:
        show_step(self._viewer, "retrain")

    def _on_train(self, *_: object) -> None:
        show_step(self._viewer, "train")


def _can_be_retrained(made: MaskMade) -> bool:
    """Whether corrections of a mask can be learned: it is of a trained model, and what it is from is "
    "known.
    """
    return isinstance(made.model, str) and not isinstance(made.settings, CellSettings)


def _stored(mask: Any) -> Path | None:
    """The label pyramid that a mask shows; None of masks in memory."""
    path = None if mask is None else mask.metadata.get(METADATA_KEY, {}).get(PYRAMID)
    return None if path is None else Path(path)
