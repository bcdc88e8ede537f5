"""The files of a training run: patches, validation data and the model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.data.labels.folder_names import split_of
from napari_construct.reading.places import is_folder, real_path
from napari_construct.widgets.fields.changed import ChangedMark, RowLabel
from napari_construct.widgets.fields.layout import form, stacked
from napari_construct.widgets.fields.message_label import Level, MessageLabel
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.runs.model_file import ModelFile, free_name
from napari_construct.widgets.train.data import split_folders

_TABLES: Final = "Tables (*.csv *.tsv *.txt)"


class TrainFiles(QWidget):
    """Edits three paths, and whether a run is resumed or a model is replaced.

    Other patches bring their own validation data and name of a model: those that were chosen with them
    earlier in the session, else the split beside them and a name that is free.

    Attributes
    ----------
    model : ModelFile
        The model's file.
    """

    replaced = Signal(str, str)
    """The patches before and now; comes before all other changes, not for the first ones."""
    dataChanged = Signal()
    """Other patches or validation data."""
    outputChanged = Signal()
    """Another model file, or another choice to resume or replace."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._data = PathRow(
            "Training patches",
            "Training patches: one folder per class, labels in file names (BCSS), or a CSV table with paths",
            ("folder", "file"),
            kinds=_TABLES,
            parent=self,
        )
        self._data.setHint("a folder or a table")
        self._val = PathRow(
            "Validation data",
            "Optional. A folder with img and mask inside, or patches like the training patches",
            ("folder", "file"),
            kinds=_TABLES,
            parent=self,
        )
        self._val.setHint("none")
        self.model = ModelFile("File of the trained model", self)
        self._val_words = MessageLabel(self)
        self._of = ""
        self._kept: dict[str, tuple[str, str]] = {}
        self._marks: dict[PathRow, ChangedMark] = {}
        self._build_layout()
        self._connect()

    def data(self) -> str:
        return self._data.value()

    def setData(self, path: str) -> None:
        self._data.setValue(path)

    def validation(self) -> str:
        return self._val.value()

    def setValidation(self, path: str) -> None:
        self._val.setValue(path)

    def recall(self, data: str, val: str, output: str) -> None:
        """Suggest what was chosen with these patches in an earlier session."""
        self._kept[data] = val, output

    def describeValidation(self, words: str, *, wrong: bool) -> None:
        """Show a line about the validation data."""
        self._val_words.showMessage(words, Level.ERROR if wrong else Level.INFO)
        self._wrong = words if wrong else ""

    def problem(self) -> str:
        """Why the files cannot be used; empty if they can."""
        if self._wrong:
            return "The validation data cannot be used, see above."
        return self.model.problem()

    def _build_layout(self) -> None:
        self._wrong = ""
        rows = form()
        rows.addRow("Patches", self._data)
        for name, row in (("Validation", self._val), ("Model", self.model.row)):
            label = RowLabel(name, "", row, self)
            rows.addRow(label, row)
            self._marks[row] = ChangedMark(name, row.value, row.setValue, "", _short, label)
            row.edited.connect(self._marks[row].refresh)
        stacked(self, rows, self.model, self._val_words)

    def _connect(self) -> None:
        self._data.edited.connect(self._on_data)
        self._val.edited.connect(self.dataChanged)
        self.model.changed.connect(self.outputChanged)

    def _on_data(self) -> None:
        """Take both splits of a folder; other patches bring their own validation data and model."""
        if not self.data():
            self.dataChanged.emit()
            return
        train, val = both_splits(Path(self.data()))
        _show(self._data, str(train))
        suggested = "" if val is None else str(val), str(_suggestion(train))
        now = real_path(train)
        before, self._of = self._of, now
        if before != now:
            self._suggest(before, now, *suggested)
        self.dataChanged.emit()

    def _suggest(self, before: str, now: str, val: str, output: str) -> None:
        """Show what belongs to the patches; with the first ones, what is there already stays."""
        known = self._kept.get(now, (val, output))
        if before:
            self._kept[before] = self._val.value(), self.model.row.value()
            shown = known
            self.replaced.emit(before, now)
        else:
            shown = self._val.value() or known[0], self.model.row.value() or known[1]
        _show(self._val, shown[0])
        self.model.row.setValue(shown[1])
        for row, default in ((self._val, val), (self.model.row, output)):
            self._marks[row].setDefault(default)


def both_splits(data: Path) -> tuple[Path, Path | None]:
    """Training and validation data of a folder with both, also where its training folder was chosen."""
    train, val = split_folders(data)
    if val is None and split_of(data.name) == "train" and is_folder(data):
        beside, other = split_folders(data.parent)
        val = other if beside == data else None
    return train, val


def _show(row: PathRow, path: str) -> None:
    """Show a path without saying so."""
    blocked = row.blockSignals(True)
    row.setValue(path)
    row.blockSignals(blocked)


def _short(path: str) -> str:
    return Path(path).name or "none"


def _suggestion(data: Path) -> Path:
    """A model file beside the data, with their name; a number follows where a finished model has it."""
    folder = data.parent
    name = folder.name if is_folder(data) and split_of(data.name) == "train" else data.stem
    return free_name(folder, name)
