"""Chooses what teaching starts from: nothing, a trained model, or words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.teaching.settings import AUTO
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.parts.words import START, WordsOptions
from napari_construct.widgets.parts.words_chooser import ZERO_SHOT, WordsModelChooser

Start = str | ZeroShotSettings
_NOTHING: Final = "Nothing"
_NOTHING_TIP: Final = "Only your strokes say what the classes are. The encoder comes with napari-construct"


class StartModelChooser(WordsModelChooser):
    """Also offers the bundled encoder, and begins with it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        blocked = self._combo.blockSignals(True)
        self._combo.insertItem(0, _NOTHING, AUTO)
        self._combo.setItemData(0, _NOTHING_TIP, Qt.ItemDataRole.ToolTipRole)
        self._combo.setCurrentIndex(0)
        self._combo.blockSignals(blocked)
        self._before = 0
        tip = "What is known before the first stroke: nothing, what a trained model knows, or words"
        named(self._combo, "Start from", tip)
        self.describe("")

    def _is_gone(self, index: int) -> bool:
        return str(self._combo.itemData(index)) != AUTO and super()._is_gone(index)


class StartChooser(QWidget):
    """Edits ``TeachSettings.start``.

    Attributes
    ----------
    chooser : StartModelChooser
        Which model or encoder.
    words : WordsOptions
        Options of words, on view while words are chosen.
    """

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words: ClassTable | None = None
        self.chooser = StartModelChooser(self)
        self.words = WordsOptions(self)
        self.words.hide()
        stacked(self, self.chooser, self.words)
        self.chooser.valueChanged.connect(self._on_chosen)
        self.words.valueChanged.connect(self.valueChanged)

    def value(self, classes: ClassTable) -> Start:
        """What is started from; words are the names and prompts of the classes.

        Raises
        ------
        ConfigurationError
            If the words cannot be used.
        """
        encoder = self.chooser.encoder()
        if not encoder:
            return self.chooser.value() or AUTO
        if self._words is None or _without_style(self._words) != _without_style(classes):
            self._words = classes  # another colour is no other model
        return self.words.value().changed(encoder=encoder, classes=self._words)

    def setValue(self, value: Start) -> None:
        """Choose; words are given by the table of classes."""
        if isinstance(value, str):
            self.chooser.setValue(value)
            return
        self.words.setValue(value)
        self.chooser.setValue(f"{ZERO_SHOT}{value.encoder}")

    def inWords(self) -> bool:
        """Whether words are chosen."""
        return bool(self.chooser.encoder())

    def title(self) -> str:
        """What is started from, for people."""
        value = self.chooser.value()
        return "" if value in ("", AUTO) else Path(value.removeprefix(ZERO_SHOT)).name

    def problem(self) -> str:
        """Why the words cannot be used; empty if they can."""
        return self.words.problem() if self.inWords() else ""

    def _on_chosen(self, *_: Any) -> None:
        self.words.setVisible(self.inWords())
        self.valueChanged.emit()


def first_classes(*, in_words: bool) -> ClassTable:
    """The classes that a new user finds."""
    return START if in_words else ClassTable.from_names(("class 1", "class 2"))


def _without_style(table: ClassTable) -> tuple[tuple[str, str], ...]:
    return tuple((tissue.name, tissue.prompt) for tissue in table)


def with_known(table: ClassTable, model: ClassTable, known: int) -> ClassTable:
    """A table that begins with the classes that a model knows; those on view keep their colours."""
    mine = {tissue.name: tissue for tissue in table}
    first: list[TissueClass] = [mine.get(tissue.name, tissue) for tissue in model.classes[:known]]
    names = {tissue.name for tissue in first}
    rest = [tissue for tissue in table if tissue.name not in names]
    return ClassTable(classes=(*first, *rest))
