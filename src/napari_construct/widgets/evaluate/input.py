"""What is compared: two labels layers, or a model with folders of images and masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.layout import fold, form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.jobs.model_loader import NO_MODEL
from napari_construct.widgets.layers import METADATA_KEY
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.parts.options import SegmentOptions

_MODES: Final = {"layers": "Two layers", "folders": "A model on folders"}
_FIRST: Final = {1: "1 (0 is unlabelled)", 0: "0 (as in mask files)"}


class EvaluateInput(QWidget):
    """Edits an :class:`~napari_construct.widgets.evaluate.settings.EvaluateSettings`, layers and folders."""

    valueChanged = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mode = ChoiceField(_MODES, parent=self)
        _named(self.mode, "Compare", "Labels with labels, or what a model makes of images with their masks")
        self.prediction = LayerChooser(viewer, self, accepts=_is_labels)
        _named(self.prediction, "Prediction", "The labels layer that is judged")
        self.truth = LayerChooser(viewer, self, accepts=_is_labels)
        _named(self.truth, "Truth", "The labels layer that is right")
        self.first = ChoiceField(_FIRST, parent=self)
        _named(
            self.first, "First class of the truth", "The value that the first class has in the truth's layer"
        )
        self.images = PathRow(
            "Images", "A folder of images, or one with img and mask inside", ("folder",), parent=self
        )
        self.masks = PathRow("Masks", "A folder of masks named as the images; value 0 is the first class",
                             ("folder",), parent=self)  # fmt: skip
        self.masks.setHint("mask inside")
        self.model = ModelChooser(self)
        self.options = SegmentOptions(self)
        self.ignored = QLineEdit(self)
        _named(self.ignored, "Ignored values", "Values of the truth that do not count, such as 2 for white; "
               "commas in between")  # fmt: skip
        self.ignored.setPlaceholderText("none")
        self._pages = {mode: QWidget(self) for mode in _MODES}
        self._build_layout()
        self._choose_layers(viewer)
        self._connect()

    def value(self) -> EvaluateSettings:
        """The settings on view.

        Raises
        ------
        ValueError
            If ignored values are no numbers from 0 to 255, or options contradict each other.
        """
        return EvaluateSettings.checked(
            mode=self.mode.get(),
            ignore=self._ignored(),
            first_class=self.first.get(),
            model=self.model.value(),
            segment=self.options.value(),
            device=self.options.device(),
        )

    def setValue(self, value: EvaluateSettings) -> None:
        """Show settings."""
        self.mode.put(value.mode)
        self.first.put(value.first_class)
        self.ignored.setText(", ".join(map(str, value.ignore)))
        self.model.setValue(value.model)
        self.options.setValue(value.segment)
        self.options.setDevice(value.device)
        self._on_mode()

    def folders(self) -> tuple[Path, Path | None]:
        """Images and masks; None where both lie in the first."""
        masks = self.masks.value()
        return Path(self.images.value()), Path(masks) if masks else None

    def problem(self) -> str:
        """What is missing, or nothing."""
        try:
            self._ignored()
        except ValueError:
            return "Ignored values are whole numbers from 0 to 255 with commas in between."
        if self.mode.get() == "layers":
            if self.prediction.layer() is None:
                return "Segment an image first, or open a labels layer."
            if self.truth.layer() is None or self.truth.layer() == self.prediction.layer():
                return "Choose another labels layer as the truth."
            return ""
        if not self.images.value():
            return "Choose a folder of images with masks."
        return "" if self.model.value() else NO_MODEL

    def _ignored(self) -> tuple[int, ...]:
        values = tuple(int(word) for word in self.ignored.text().replace(",", " ").split())
        if any(not 0 <= value <= 255 for value in values):
            raise ValueError("expected values from 0 to 255")
        return values

    def _build_layout(self) -> None:
        layers, folders = self._pages.values()
        pair = form(layers)
        pair.addRow("Prediction", self.prediction)
        pair.addRow("Truth", self.truth)
        pair.addRow("First class", self.first)
        rows = form()
        rows.addRow("Images", self.images)
        rows.addRow("Masks", self.masks)
        rows.addRow("Model", self.model)
        stacked(folders, rows, fold("Options", "How the images are segmented", self.options, folders))
        folders.hide()
        outer = form(self)
        outer.addRow("Compare", self.mode)
        outer.addRow(layers)
        outer.addRow(folders)
        outer.addRow("Ignore", self.ignored)

    def _connect(self) -> None:
        self.mode.edited.connect(self._on_mode)
        self.first.edited.connect(self._on_changed)
        for chooser in (self.prediction, self.truth):
            chooser.layerChanged.connect(self._on_changed)
        for row in (self.images, self.masks):
            row.edited.connect(self._on_changed)
        self.model.valueChanged.connect(self._on_changed)
        self.options.valueChanged.connect(self._on_changed)
        self.ignored.textChanged.connect(self._on_changed)

    def _choose_layers(self, viewer: Any) -> None:
        """Ours is the prediction, the other one the truth."""
        for layer in viewer.layers:
            if _is_labels(layer):
                (self.prediction if METADATA_KEY in layer.metadata else self.truth).setLayer(layer)

    def _on_mode(self, *_: object) -> None:
        for mode, page in self._pages.items():
            page.setVisible(mode == self.mode.get())
        self.valueChanged.emit()

    def _on_changed(self, *_: object) -> None:
        self.valueChanged.emit()


def _is_labels(layer: Any) -> bool:
    """Whether a layer can be compared: labels, but not an error map."""
    return isinstance(layer, Labels) and layer.metadata.get(METADATA_KEY, {}).get("kind") != "errors"


def _named(widget: Any, name: str, tip: str) -> None:
    widget.setAccessibleName(name)
    widget.setToolTip(tip)
