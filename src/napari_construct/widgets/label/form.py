"""What is cut: sources, number, classes, folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.data.labels.labelled_folder import is_labelled_folder
from napari_construct.exceptions import ConfigurationError
from napari_construct.labelling.settings import CutSettings
from napari_construct.reading.places import files_in, is_file, is_folder
from napari_construct.widgets.fields.controls import tick
from napari_construct.widgets.fields.fields import narrow_combo
from napari_construct.widgets.fields.layout import fold, form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.fields.settings_form import SettingsForm
from napari_construct.widgets.label.request import CutRequest, planes_of_layers
from napari_construct.widgets.label.rows import ROWS
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.parts.preferences import preferences

_SOURCES: Final = {"layers": "Open image layers", "files": "A folder, slide or image"}
_START: Final = ("tumour", "stroma")


class CutForm(QWidget):
    """Edits what is cut to be labelled.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose image layers are offered.

    Attributes
    ----------
    classes : ClassTableEditor
        The classes to label.
    """

    valueChanged = Signal()
    failed = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._from = narrow_combo(self, "Patches of", "What patches are cut from", _SOURCES)
        tip = "A folder of images or slides, looked through with those inside; or one slide or image"
        self._path = PathRow("Images", tip, ("folder", "file"), parent=self)
        tip = "New folder for patches and labels. One that has patches is opened, to go on with it"
        self._output = PathRow("Folder for patches", tip, ("folder",), parent=self)
        self._output.setHint("new, or one to go on with")
        self.settings = SettingsForm(CutSettings(), ROWS, self)
        self.classes = ClassTableEditor(self, names_editable=True, prompts_editable=True, movable=True)
        self.classes.setFree(True)
        self.classes.setValue(preferences().coloured(ClassTable.from_names(_START)))
        tip = "Let a model guess the classes of each patch, to label by its guess or its doubt"
        self._guess = tick("Order by a model", tip, self)
        self._model = ModelChooser(self)
        self._usual = form()
        self._usual.addRow("Patches of", self._from)
        self._usual.addRow("Images", self._path)
        self.settings.moveRow("count", self._usual)
        self._usual.addRow("Folder", self._output)
        options = QWidget(self)
        stacked(options, self.settings, self._guess, self._model)
        tip = "Size and resolution of patches, how they are chosen, guesses of a model"
        stacked(self, self._usual, self.classes, fold("Options", tip, options, self))
        events = viewer.layers.events
        self._follower = Follower(self, "follow_layers", (events.inserted, events.removed))
        self._from.currentIndexChanged.connect(self._on_changed)
        self._guess.toggled.connect(self._on_changed)
        for part in (self._path, self._output):
            part.edited.connect(self._on_changed)
        for editor in (self.settings, self.classes, self._model):
            editor.valueChanged.connect(self._on_changed)
        self.classes.failed.connect(self.failed)
        self._on_changed()

    def value(self) -> CutRequest:
        """What is asked for.

        Raises
        ------
        ConfigurationError
            If the settings contradict each other, or there are no classes.
        """
        table = self.classes.value()
        if table is None:
            raise ConfigurationError("expected classes to label, got none; add one")
        layers = self._from.currentData() == "layers"
        return CutRequest(
            sources=planes_of_layers(self._viewer) if layers else (Path(self._path.value()),),
            output=self.output(),
            classes=table,
            settings=self.settings.value(),
            model=self._model.value() if self._guess.isChecked() else "",
            device=preferences().device,
            opens=self.opens(),
        )

    def setSource(self, path: str) -> None:
        """Cut from a folder, a slide or an image; empty: from the open layers."""
        self._path.setValue(path)
        self._from.setCurrentIndex(self._from.findData("files" if path else "layers"))

    def output(self) -> Path:
        """Where the patches go, or are."""
        return Path(self._output.value()).expanduser()

    def setOutput(self, folder: str) -> None:
        """Where the patches go, or are."""
        self._output.setValue(folder)

    def setModel(self, model: str) -> None:
        """Let a model guess; empty: none."""
        if model:
            self._model.setValue(model)
        self._guess.setChecked(bool(model))

    def opens(self) -> bool:
        """Whether the folder has patches, which are to be opened."""
        return bool(self._output.value()) and is_labelled_folder(self.output())

    def problem(self) -> str:
        """What is missing, or nothing."""
        if self.opens():
            return ""
        output = self._output.value()
        if said := self._missing_source():
            return said
        if not output:
            return "Choose a new folder for the patches, or one with patches to go on labelling."
        if any(not path.name.startswith(".") for path in files_in(self.output())):
            return "The folder for the patches holds other files; choose a new one."
        return self.settings.problem()

    def _missing_source(self) -> str:
        path = self._path.value()
        if self._from.currentData() == "layers":
            none = "Open an image or a slide first, or choose a folder of them above."
            return "" if planes_of_layers(self._viewer) else none
        if not path:
            return "Choose a folder of images, a slide or an image."
        there = is_folder(path) or is_file(path)
        return "" if there else "There is no such folder or file of images; check the path."

    def follow_layers(self) -> None:
        """Layers came or went."""
        self.valueChanged.emit()

    def _on_changed(self, *_: object) -> None:
        files = self._from.currentData() == "files"
        self._usual.setRowVisible(self._path, files)
        self._model.setVisible(self._guess.isChecked())
        self.settings.setRowVisible("side", not self.settings.field("whole").get())
        self.settings.setRowVisible("mpp", not self.settings.field("whole").get())
        self.valueChanged.emit()
