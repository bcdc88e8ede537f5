"""The input of an evaluation: two labels layers, or a model and the images that it is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.evaluate.cells.input import CellInput
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.fields.controls import line_edit, named
from napari_construct.widgets.fields.fields import ChoiceField
from napari_construct.widgets.fields.layout import fold, form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.jobs.model_loader import NO_MODEL
from napari_construct.widgets.layers import METADATA_KEY, NO_MASKS, newest_of
from napari_construct.widgets.parts.cell_options import COLOUR_ONLY
from napari_construct.widgets.parts.known_models import is_student_file
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.parts.options import SegmentOptions

_MODES: Final = {"layers": "Two layers", "folders": "Model on folders"}
NPZ: Final = ".npz"
"""How the name of a TissueNet file ends."""

_FIRST: Final = {
    "auto": "Automatic",
    1: "1 (0 is unlabelled)",
    0: "0 (as in published masks)",
}


class EvaluateInput(QWidget):
    """Edits an :class:`~napari_construct.widgets.evaluate.settings.EvaluateSettings`, layers and folders."""

    valueChanged = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Compare two labels layers, or run a model on images and compare with their masks"
        self.mode = named(ChoiceField(_MODES, parent=self), "Compare", tip)
        self.prediction, self.truth = (
            named(LayerChooser(viewer, self, accepts=_is_labels, leads=leads), name, tip)
            for name, tip, leads in (
                ("Prediction", "The labels layer to score", _newest_result),
                ("Ground truth", "The labels layer with the true classes", _annotation),
            )
        )
        tip = (
            "Value of the first class in the ground truth. Automatic: 1 in layers; in mask files as their "
            "description, palette or values say, else 0"
        )
        self.first = named(ChoiceField(_FIRST, parent=self), "First class of the ground truth", tip)
        tip = (
            "Folder of images, or a folder with img and mask inside. For a student: images with drawn cells "
            "(images and labels inside), or a TissueNet file"
        )
        self.images = PathRow("Images", tip, ("folder", "file"), kinds=f"TissueNet (*{NPZ})", parent=self)
        tip = "Folder of masks with the names of the images"
        self.masks = PathRow("Masks", tip, ("folder",), parent=self)
        self.masks.setHint("mask inside")
        self.model = ModelChooser(self)
        self.cells = CellInput(self)
        self._student = False
        self.options = SegmentOptions(self)
        tip = "Values of the ground truth to leave out, e.g. 2 for white. Separate values by commas"
        self.ignored = line_edit("Ignored values", tip, self, "none")
        self._pages = {mode: QWidget(self) for mode in _MODES}
        self._build_layout()
        self._connect()

    def value(self) -> EvaluateSettings:
        """The shown settings.

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
            student=self.cells.value(self.options.value() if self.isStudent() else None),
            device=self.options.device(),
        )

    def setValue(self, value: EvaluateSettings) -> None:
        """Show settings."""
        self.mode.put(value.mode)
        self.first.put(value.first_class)
        self.ignored.setText(", ".join(map(str, value.ignore)))
        self.model.setValue(value.model)
        self.cells.setValue(value.student)
        shared = self.cells.options.take(value.student.cells, value.segment) if self.isStudent() else None
        self.options.setValue(shared or value.segment)
        self.options.setDevice(value.device)
        self._on_mode()

    def folders(self) -> tuple[Path, Path | None]:
        """Images and masks; None if the first folder holds both."""
        masks = self.masks.value()
        return Path(self.images.value()), Path(masks) if masks else None

    def isStudent(self) -> bool:
        """Whether a student on one channel is scored."""
        return self._student and bool(self.mode.get() == "folders")

    def problem(self) -> str:
        """What is missing; empty if nothing is."""
        if self.isStudent():
            return "" if self.images.value() else "Choose a folder of images with drawn cells."
        try:
            self._ignored()
        except ValueError:
            return "Ignored values must be whole numbers from 0 to 255, separated by commas."
        return self._missing_layers() if self.mode.get() == "layers" else self._missing_folders()

    def optionsProblem(self) -> str:
        """Why the options on view cannot be run; empty if they can."""
        return self.options.problem() or (self.cells.problem() if self.isStudent() else "")

    def _missing_layers(self) -> str:
        if self.prediction.layer() is None:
            return "Segment an image first, or open a labels layer."
        if self.truth.layer() is None or self.truth.layer() == self.prediction.layer():
            return "Choose another labels layer as the ground truth."
        return ""

    def _missing_folders(self) -> str:
        if not self.images.value():
            return "Choose a folder of images with masks."
        if self._is_file():
            return "A file of images is for a student on one channel: choose a student, or a folder."
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
        self._rows = rows = form()
        rows.addRow("Images", self.images)
        rows.addRow("Masks", self.masks)
        rows.addRow("Model", self.model)
        options = fold("Options", "Settings of the segmentation", self.options, folders)
        stacked(folders, rows, self.cells, options)
        folders.hide()
        self._outer = outer = form(self)
        outer.addRow("Compare", self.mode)
        outer.addRow(layers)
        outer.addRow(folders)
        outer.addRow("First class", self.first)
        outer.addRow("Ignore", self.ignored)
        self._show_kind()

    def _connect(self) -> None:
        self.mode.edited.connect(self._on_mode)
        self.model.valueChanged.connect(self._on_model)
        self.images.edited.connect(self._show_labels)
        for edited in (self.first.edited, self.images.edited, self.masks.edited, self.ignored.textChanged,
                       self.prediction.layerChanged, self.truth.layerChanged, self.cells.valueChanged,
                       self.options.valueChanged):  # fmt: skip
            edited.connect(self.valueChanged)

    def _on_mode(self, *_: object) -> None:
        for mode, page in self._pages.items():
            page.setVisible(mode == self.mode.get())
        self._show_kind()
        self.valueChanged.emit()

    def _on_model(self, *_: object) -> None:
        self._student = is_student_file(self.model.value())
        self._show_kind()
        self.valueChanged.emit()

    def _show_labels(self) -> None:
        self.cells.showLabels(shown=self._is_file())

    def _is_file(self) -> bool:
        """Whether the images are a TissueNet file."""
        return Path(self.images.value()).suffix.lower() == NPZ

    def _show_kind(self) -> None:
        """Show what applies to the model: classes and their masks, or cells."""
        student = self.isStudent()
        self.cells.setVisible(student)
        self._show_labels()
        self._rows.setRowVisible(self.masks, not student)
        self.images.setAsks("folder", *(("file",) if student else ()))
        for field in (self.first, self.ignored):
            self._outer.setRowVisible(field, not student)
        for key in COLOUR_ONLY:
            self.options.setRowVisible(key, not student)


def _newest_result(active: Any, offered: Sequence[Any]) -> Any:
    """A mask of this plugin that is active, else the last one of the active image."""
    return newest_of(active, [layer for layer in offered if METADATA_KEY in layer.metadata])


def _annotation(active: Any, offered: Sequence[Any]) -> Any:
    """A labels layer that is active and no result of this plugin."""
    return active if active in offered and METADATA_KEY not in active.metadata else None


def _is_labels(layer: Any) -> bool:
    """Whether a layer can be compared: labels, but no map of errors or of deciding prototypes."""
    kind = layer.metadata.get(METADATA_KEY, {}).get("kind")
    return isinstance(layer, Labels) and kind not in NO_MASKS
