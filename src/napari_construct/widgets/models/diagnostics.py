"""Device and installation as text for a question; it contains no token."""

from __future__ import annotations

from functools import partial

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QApplication, QHBoxLayout, QPlainTextEdit, QWidget

from napari_construct.widgets.fields.controls import button, named, tick, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.models.job import diagnosis_steps


class DiagnosticsBox(QWidget):
    """Collects the diagnostics in a thread, on request."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = LiveJob("Diagnose", self)
        self._job.returned.connect(self._on_returned)
        self._job.failed.connect(self._on_failed)
        self._job.busyChanged.connect(self._on_busy)
        tip = "Information for a bug report. It contains no tokens and no names"
        self._text = named(QPlainTextEdit(self), "Diagnostics", tip)
        self._text.setReadOnly(True)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setMinimumHeight(160)
        self._text.setPlaceholderText("Software, device, folders, hub, encoders, models")
        tip = "Also check the connection to the hub. Without a tick, nothing leaves this computer"
        self._online = tick("Check the hub too", tip, self)
        tip = "Check software, device, folders, encoders and models"
        self._look = button("Diagnose", tip, self.diagnose, self)
        self._copy = button("Copy diagnostics", "Copy the text for a question", self.copy, self)
        self._copy.setEnabled(False)
        self._status = wrapped_label("Status of the diagnosis", "Progress or error of the diagnosis", self)
        self._status.hide()
        row = QHBoxLayout()
        row.addWidget(self._look)
        row.addWidget(self._copy)
        stacked(self, self._online, row, self._text, self._status)

    def text(self) -> str:
        """The diagnostics; empty before a run."""
        return self._text.toPlainText()

    def isRunning(self) -> bool:
        return self._job.is_busy

    def diagnose(self, *_: object) -> None:
        """Collect the diagnostics."""
        self._say("Checking...")
        self._job.request(partial(diagnosis_steps, self._online.isChecked()), now=True)

    def copy(self, *_: object) -> None:
        """Copy the diagnostics to the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text())
            self._say("Copied to the clipboard.")

    def _on_returned(self, text: str) -> None:
        self._text.setPlainText(text)
        self._copy.setEnabled(True)
        self._say("")

    def _on_failed(self, error: Exception) -> None:
        self._say(str(error))

    def _on_busy(self, busy: bool) -> None:
        self._look.setEnabled(not busy)

    def _say(self, text: str) -> None:
        self._status.setText(text)
        self._status.setVisible(bool(text))
