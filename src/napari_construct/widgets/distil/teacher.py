"""The teacher of a distillation: stored outputs, a model, one of the catalogue, or one to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.crossmodal.teachers.availability import lacking
from napari_construct.crossmodal.teachers.entries import TeacherEntry, entries
from napari_construct.crossmodal.teachers.typed import typed_foreground
from napari_construct.encoders.catalogue.overview import size_text
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.reading.places import is_file, is_folder
from napari_construct.widgets.distil.layer_pick import LayerPick
from napari_construct.widgets.distil.request import DRAWN, FOLDER, LAYER, MODEL, TeacherChoice
from napari_construct.widgets.fields.controls import button, named, wrapped_label
from napari_construct.widgets.fields.fields import ChoiceField, TextField
from napari_construct.widgets.fields.layout import form, stacked
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.layers import METADATA_KEY
from napari_construct.widgets.layers.channel_arrays import is_channel, is_labels, kept_array, whole_array

_OWN: Final = {
    LAYER: "A layer of outputs",
    FOLDER: "A folder of outputs",
    MODEL: "Your own (.construct)",
}
_ABOUT: Final = {
    LAYER: "Of any tool: a labels layer (cells) or an image layer (probability of cells, 0 to 1).",
    FOLDER: "Of any tool: label images or probability maps, named as the images.",
    MODEL: "A U-Net that was trained here on all channels.",
    DRAWN: "Train trains a teacher on all channels, on drawn cells. Then choose it as the teacher.",
}


class TeacherInput(QWidget):
    """Edits which teacher is asked, and says what it needs."""

    valueChanged = Signal()
    previewRequested = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries = {entry.id: entry for entry in entries() if entry.id not in (FOLDER, MODEL)}
        self._lacking: dict[tuple[str, str], str] = {}
        named_entries = {key: f"{entry.title}{_size(entry)}" for key, entry in self._entries.items()}
        choices = {**_OWN, **named_entries, DRAWN: "None yet: train one"}
        tip = "What the student learns from"
        self.kind = named(ChoiceField(choices, parent=self), "Teacher", tip)
        self.layer = LayerPick(viewer, _is_output, _newest_labels, "none", self)
        named(self.layer, "Teacher's output", "The layer that holds what a tool said of these images")
        tip = "Folder of label images or probability maps, named as the images"
        self.folder = PathRow("Folder of outputs", tip, ("folder",), parent=self)
        tip = (
            "Of maps of several classes: the channels that are cells, by number from 0, such as 0,1 for "
            "nucleus and cytoplasm; they are summed"
        )
        self.foreground = named(TextField("of one channel", parent=self), "Foreground of the maps", tip)
        tip = "The teacher's file"
        self.model = PathRow("Teacher's file", tip, ("file",), kinds=f"Models (*{SUFFIX})", parent=self)
        tip = "File of the teacher's weights, where it does not lie in its usual place"
        self.weights = PathRow("Weights of the teacher", tip, ("file",), parent=self)
        self.weights.setHint("usual place")
        self._about = wrapped_label("About the teacher", "Licence, access and size", self)
        tip = (
            "Show what the teacher says of the visible region, as layers: foreground and cells. Of files, of "
            "the first image"
        )
        self.preview = button("Preview teacher", tip, self.previewRequested, self)
        self._rows = form()
        for words, field in (
            ("Teacher", self.kind), ("Output", self.layer), ("Folder", self.folder),
            ("Foreground", self.foreground), ("File", self.model), ("Weights", self.weights),
        ):  # fmt: skip
            self._rows.addRow(words, field)
        stacked(self, self._rows, self._about, self.preview)
        self.kind.edited.connect(self._on_kind)
        for path in (self.folder, self.foreground, self.model, self.weights):
            path.edited.connect(self.valueChanged)
        self.layer.layerChanged.connect(self.valueChanged)
        self._on_kind()

    def value(self, *, keeps: bool = False) -> TeacherChoice:
        """The choice; ``keeps`` copies the layer, as a run does.

        Raises
        ------
        ConfigurationError
            If the channels of the foreground are no numbers.
        """
        kind = self.kind.get()
        if kind == LAYER:
            layer = self.layer.layer()
            if layer is None:
                return TeacherChoice(LAYER)
            return TeacherChoice(
                LAYER, output=kept_array(layer) if keeps else whole_array(layer), name=layer.name
            )
        rows = {FOLDER: self.folder, MODEL: self.model, DRAWN: None}
        row = rows.get(kind, self.weights)
        foreground = typed_foreground(self.foreground.get()) if kind == FOLDER else None
        return TeacherChoice(kind, "" if row is None else row.value(), foreground=foreground)

    def setTeacher(self, kind: str, path: str = "") -> None:
        """Choose a teacher, and its folder, its file or its weights."""
        self.kind.put(kind)
        row = {FOLDER: self.folder, MODEL: self.model}.get(kind, self.weights)
        if kind not in (LAYER, DRAWN):
            row.setValue(path)

    def setLayer(self, layer: Any) -> None:
        """Choose a layer as the teacher's output."""
        self.kind.put(LAYER)
        self.layer.setLayer(layer)

    def trains(self) -> bool:
        """Whether the run trains a teacher instead."""
        return bool(self.kind.get() == DRAWN)

    def missing(self, *, layers: bool) -> str:
        """What is still needed; ``layers`` says whether images are layers."""
        kind = self.kind.get()
        if kind == LAYER:
            if not layers:
                return "Images of files need a folder of outputs, or a model: choose another teacher."
            return "" if self.layer.layer() is not None else "Choose the layer with the teacher's output."
        if kind == FOLDER:
            return self._missing_folder(layers=layers)
        if kind == MODEL:
            return "" if is_file(self.model.value()) else "Choose the teacher's file (.construct)."
        return "" if kind == DRAWN else self._missing_weights(kind)

    def _missing_folder(self, *, layers: bool) -> str:
        if layers:
            return "A folder of outputs belongs to a folder of images: open the output as a layer."
        if not is_folder(self.folder.value()):
            return "Choose the folder of the teacher's outputs."
        try:
            typed_foreground(self.foreground.get())
        except ConfigurationError as error:
            return str(error)
        return ""

    def _missing_weights(self, kind: str) -> str:
        """Looked for once for each file; a file that is put in its place is found when it is chosen again."""
        key = kind, self.weights.value()
        if key not in self._lacking or self._lacking[key]:
            named_file = Path(key[1]) if key[1] else None
            self._lacking[key] = lacking(self._entries[kind], named_file)
        return self._lacking[key]

    def _on_kind(self, *_: object) -> None:
        kind = self.kind.get()
        for field, on in (
            (self.layer, kind == LAYER), (self.folder, kind == FOLDER),
            (self.foreground, kind == FOLDER), (self.model, kind == MODEL),
            (self.weights, kind in self._entries),
        ):  # fmt: skip
            self._rows.setRowVisible(field, on)
        self.preview.setVisible(kind != DRAWN)
        entry = self._entries.get(kind)
        self._about.setText(_ABOUT[kind] if entry is None else _about(entry))
        self.valueChanged.emit()


def _size(entry: TeacherEntry) -> str:
    return "" if entry.size is None else f" ({size_text(entry.size)})"


def _about(entry: TeacherEntry) -> str:
    """Licence, gate and size in a few sentences."""
    weights = "" if entry.parameters is None else f", {entry.parameters / 1e6:.0f} million weights"
    size = "" if entry.size is None else f", {size_text(entry.size)}"
    gate = " Its authors must be asked for access." if entry.gated else ""
    return f"{entry.licence}{weights}{size}. {entry.licence_terms}{gate}"


def _is_output(layer: Any) -> bool:
    known = layer.metadata.get(METADATA_KEY, {})
    return is_labels(layer) or is_channel(layer) or known.get("kind") == "teacher"


def _newest_labels(layers: Sequence[Any]) -> Any:
    return next((layer for layer in reversed(layers) if isinstance(layer, Labels)), None)
