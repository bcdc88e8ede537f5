"""What the chosen images are: found in a thread, said in a few lines."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.distil.data import Look, look_steps
from napari_construct.widgets.distil.request import Images
from napari_construct.widgets.fields.controls import wrapped_label
from napari_construct.widgets.fields.in_window import as_sentence
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import Problem, problem_of
from napari_construct.widgets.jobs.live import LiveJob


class FoundImages(QWidget):
    """Looks at images in a thread, as a folder can hold many thousand files."""

    found = Signal(object)
    """The :class:`~napari_construct.widgets.distil.data.Look`."""
    failed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look: Look | None = None
        self._error: Exception | None = None
        self._words = wrapped_label("What was found", "What the chosen images are", self)
        self._job = LiveJob("Look at the images", self)
        stacked(self, self._words)
        self._job.returned.connect(self._on_look)
        self._job.failed.connect(self._on_failed)

    def look(self, images: Images | None, share: float) -> None:
        """Look at other images, of which a share is held out; None for none."""
        self._look, self._error = None, None
        if images is None:
            self._job.cancel()
            self._words.setText("")
        else:
            self._job.request(partial(look_steps, images, share))

    def stop(self) -> None:
        """Look no further: a run begins."""
        self._job.cancel()

    def value(self) -> Look | None:
        """What was found; None while nothing was."""
        return self._look

    def text(self) -> str:
        """What is said of them."""
        return self._words.text()

    def isLooking(self) -> bool:
        return self._job.is_busy

    def problem(self) -> Problem:
        """Why the images cannot be used yet; false if they can."""
        if self._error is not None:
            return problem_of(self._error)
        return Problem("" if self._look is not None else "Looking at the images...")

    def _on_look(self, look: Look) -> None:
        self._look = look
        self._words.setText("\n".join((f"{look.in_words()}.", *map(as_sentence, look.notices))))
        self._words.setToolTip(f"Channels: {', '.join(look.channels)}")
        self.found.emit(look)

    def _on_failed(self, error: Exception) -> None:
        self._error = error
        self._words.setText("")
        self.failed.emit()
