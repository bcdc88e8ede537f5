"""Where the results of a whole slide go, and what a run will do there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_construct.data.slides.slide import Slide
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import MessageLabel
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.segment.slide_look import Found, LookRequest, look_steps, stem_of, usual_folder

_TIP: Final = (
    "Folder for the labels, the picture and the record of the slide. They are written while the run goes on; "
    "a stopped run goes on from there"
)


class SlideTarget(QWidget):
    """Edits the folder of results of a whole slide; shows what a run will write, replace or go on with.

    Parameters
    ----------
    rows : QFormLayout
        Gets the row of the folder.
    """

    changed = Signal()
    """The folder, or what is known of it."""

    def __init__(self, rows: QFormLayout, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = rows
        self._path = PathRow("Folder of results", _TIP, ("folder",), parent=parent)
        rows.addRow("Results in", self._path)
        self._note = MessageLabel(self)
        stacked(self, self._note)
        self._slide: Slide | None = None
        self._chosen = ""
        self._asked: tuple[Any, ...] | None = None
        self._found: Found | None = None
        self._look = LiveJob("Look into the folder", self)
        self._path.edited.connect(self._on_edited)
        self._look.returned.connect(self._on_found)
        self.showSlide(None)

    def folder(self) -> str:
        """Where results go; empty for none."""
        return self._path.value()

    def setFolder(self, folder: str) -> None:
        """Choose a folder, also for the next slides; none: one beside the slide."""
        self._chosen = folder
        self._show_folder()

    def chosenFolder(self) -> str:
        """The folder that the user chose; empty while it is the one beside the slide."""
        return self._chosen

    def showSlide(self, slide: Slide | None) -> None:
        """Be on view with a slide, and gone without."""
        self._slide = slide
        self._rows.setRowVisible(self._path, slide is not None)
        self.setVisible(slide is not None)
        self._show_folder()

    def setRunning(self, *, running: bool) -> None:
        """A run keeps its folder; after it, the folder is looked into again."""
        self._path.setEnabled(not running)
        self._note.setVisible(not running and bool(self._note.text()))
        if not running:
            self._asked = None

    def follow(self, predictor: Any, settings: SegmentSettings | None) -> None:
        """Look into the folder for the run that would be started now; soon, and in the background."""
        if self._slide is None or predictor is None or settings is None or not self.folder():
            return
        asked = (self._slide, self.folder(), predictor, settings)
        if asked == self._asked:
            return
        self._asked, self._found = asked, None
        request = LookRequest(self._slide, Path(self.folder()), stem_of(self._slide), predictor, settings)
        self._look.request(partial(look_steps, request))

    def problem(self) -> str:
        """Why nothing can be written; empty if it can."""
        if self._slide is None:
            return ""
        if not self.folder():
            return "Choose a folder for the results of the slide."
        return "" if self._found is None else self._found.refused

    def goesOn(self) -> bool:
        """Whether a run would go on with one that was stopped."""
        return self._slide is not None and self._found is not None and bool(self._found.since)

    def since(self) -> str:
        """When the run began that would be gone on with."""
        return self._found.since if self._found is not None else ""

    def _show_folder(self) -> None:
        usual = "" if self._slide is None else str(usual_folder(self._slide))
        blocked = self._path.blockSignals(True)
        self._path.setValue(self._chosen or usual)
        self._path.blockSignals(blocked)
        self._forget()

    def _on_edited(self) -> None:
        self._chosen = self._path.value()
        self._forget()
        self.changed.emit()

    def _forget(self) -> None:
        self._asked = self._found = None
        self._note.clear()

    def _on_found(self, found: Found) -> None:
        self._found = found
        if found.notes:
            self._note.showResult(found.notes[0], found.notes[1:])
        else:
            self._note.clear()  # the dock says why
        self.changed.emit()
