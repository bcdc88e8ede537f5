"""The model of Segment, trained or zero-shot, with its class table; loaded in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs.model_loader import ModelLoader
from napari_construct.widgets.jobs.predictors import LoadedModel, ModelChoice, is_student
from napari_construct.widgets.parts.class_colours import give_colours, in_known_colours
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.model_chooser import model_names
from napari_construct.widgets.parts.preferences import Preferences
from napari_construct.widgets.parts.words import START, WordsOptions
from napari_construct.widgets.parts.words_chooser import ZERO_SHOT, WordsModelChooser
from napari_construct.widgets.segment.job import about

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor


class SegmentModel(QObject):
    """Edits a :data:`~napari_construct.widgets.jobs.predictors.ModelChoice`; the dock lays out its parts.

    Attributes
    ----------
    chooser : WordsModelChooser
        The model.
    words : WordsOptions
        Options of models without training.
    table : ClassTableEditor
        The classes. Those of a trained model may only change their style.
    """

    valueChanged = Signal()
    """Another model, which is then loaded, or other descriptions."""
    tableChanged = Signal(object)
    loaded = Signal(object)
    """The predictor."""
    changed = Signal()
    """The result of :meth:`problem` may have changed."""
    failed = Signal(object)
    """A class table could not be read or written."""

    def __init__(self, models: LoadedModel, chosen: Preferences, parent: QWidget) -> None:
        super().__init__(parent)
        self._preferences = chosen
        self._described: ClassTable | None = None
        self._looked = False
        self._shows = self._student = False
        self._former: ClassTable | None = None
        self.chooser = WordsModelChooser(parent)
        self.words = WordsOptions(parent)
        self.table = ClassTableEditor(parent)
        self._loader = ModelLoader(models, self)
        self.chooser.valueChanged.connect(self._on_model)
        self.words.valueChanged.connect(self._on_words)
        self.table.valueChanged.connect(self._on_table)
        self.table.failed.connect(self.failed)
        self._loader.loaded.connect(self._on_loaded)
        self._loader.changed.connect(self._on_loader)

    def value(self) -> ModelChoice:
        """Name or path of a trained model, or encoder and descriptions.

        Raises
        ------
        ConfigurationError
            If the descriptions cannot be used; :meth:`problem` says why.
        """
        encoder = self.chooser.encoder()
        if not encoder:
            return self.chooser.value()
        return self.words.value().changed(encoder=encoder, classes=self.table.value() or START)

    def setValue(self, value: ModelChoice) -> None:
        """Choose a model; it is loaded in the background."""
        if isinstance(value, str):
            self.chooser.setValue(value)
            return
        self._described = value.classes
        self.words.setValue(value)
        self.chooser.setValue(f"{ZERO_SHOT}{value.encoder}")
        self._show_table(value.classes)

    def inWords(self) -> bool:
        """Whether the model is zero-shot: encoder and descriptions, without training."""
        return bool(self.chooser.encoder())

    def isStudent(self) -> bool:
        """Whether the model that was loaded last looks at one channel of fluorescence."""
        return self._student and not self.inWords()

    def load(self, device: str) -> None:
        """Load the chosen model in the background; its classes are needed before a run."""
        self._loader.load("" if self.words_problem() else self.value(), device)

    def isLoading(self) -> bool:
        return self._loader.isLoading()

    def words_problem(self) -> str:
        """Why the descriptions cannot be used; empty if they can."""
        return self.words.problem() if self.inWords() else ""

    def problem(self) -> Problem:
        """Why the model cannot be run yet; false if it can."""
        missing = self._loader.problem(self.chooser.value())
        return missing or Problem(self.words_problem(), Level.WARNING)

    def styled(self, classes: ClassTable) -> ClassTable:
        """A model's classes in the shown colours, if the names are the same."""
        table = self.table.value()
        if table is not None and table.names == classes.names:
            return table
        return in_known_colours(classes, self._preferences)

    def showClasses(self, classes: ClassTable) -> None:
        """Show a trained model's classes; those of a zero-shot model are shown already."""
        if not self.inWords():
            self._show_table(self.styled(classes))

    def _show_table(self, table: ClassTable) -> None:
        """Show classes that the user did not change; their colours are not the user's wish."""
        self._shows = True
        self.table.setValue(table)
        self._shows = False

    def kept(self) -> dict[str, Any]:
        """The values to keep until the next session."""
        kept: dict[str, Any] = {"model": self.chooser.value()}
        if self._described is not None:
            kept["words"] = self.words.plain() | {"classes": self._described.model_dump(mode="json")}
            del kept["words"]["encoder"]
        return kept

    def recall(self, kept: Mapping[str, Any], model: str) -> None:
        """Restore the descriptions, and the model if it still exists."""
        try:
            words = ZeroShotSettings.checked(encoder="remembered", **kept.get("words", {"classes": START}))
        except (ConfigurationError, TypeError):  # of another version
            words = ZeroShotSettings(encoder="remembered", classes=START)
        self._described = words.classes if "words" in kept else None
        self.words.setValue(words)
        if model and (model.startswith(ZERO_SHOT) or model in model_names() or is_file(model)):
            self.chooser.setValue(model)

    def _on_model(self, *_: object) -> None:
        free = self.inWords()
        self.words.setEnabled(free)
        self.table.setFree(free)
        if free:
            self._described = self._described or self.table.value() or in_known_colours(START)
            self._show_table(self._described)
        self.valueChanged.emit()

    def _on_words(self) -> None:
        if self.inWords():
            self.changed.emit()

    def _on_table(self, table: ClassTable | None) -> None:
        if self.inWords():
            self._described = table
        if table is not None and not self._shows:  # then the user changed it
            give_colours(self._former, table)
        self._former = table
        self.tableChanged.emit(table)

    def _on_loader(self) -> None:
        if not self._looked and not self.isLoading():  # one after the other: both import much
            self._looked = True
            self.chooser.look()
        self.changed.emit()

    def _on_loaded(self, predictor: Predictor) -> None:
        self._student = is_student(predictor)
        self.loaded.emit(predictor)
        if not self._student:
            self.showClasses(predictor.classes)
        self.chooser.describe(about(predictor))
