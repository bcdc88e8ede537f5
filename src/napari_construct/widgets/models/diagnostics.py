"""Device and installation on one screen, to be copied into a question; it names no token."""

from __future__ import annotations

from functools import partial

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QWidget,
)

from napari_construct.widgets.fields.layout import push_button, stacked
from napari_construct.widgets.jobs.workers import Job
from napari_construct.widgets.models.job import diagnosis_steps


class DiagnosticsBox(QWidget):
    """Looks when it is asked to, in a thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job: Job | None = None
        self._text = QPlainTextEdit(self)
        self._text.setReadOnly(True)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._text.setMinimumHeight(160)
        self._text.setPlaceholderText("Software, device, folders, hub, encoders, models")
        self._text.setAccessibleName("Diagnostics")
        self._text.setToolTip("What a maintainer needs to help you; names no token and no person")
        self._online = QCheckBox("Ask the hub too", self)
        self._online.setToolTip("Also ask whether the hub answers; otherwise nothing leaves this computer")
        self._online.setAccessibleName("Ask the hub too")
        self._look = push_button(self, "Diagnose", "Look at software, device, folders, encoders and models")
        self._copy = push_button(self, "Copy diagnostics", "Copy all of it, to paste into a question")
        self._copy.setEnabled(False)
        self._status = QLabel(self)
        self._status.setWordWrap(True)
        self._status.setAccessibleName("Status of the diagnosis")
        self._status.setToolTip("What happened")
        self._status.hide()
        row = QHBoxLayout()
        row.addWidget(self._look)
        row.addWidget(self._copy)
        stacked(self, self._online, row, self._text, self._status)
        self._look.clicked.connect(self.diagnose)
        self._copy.clicked.connect(self.copy)

    def text(self) -> str:
        """What was found, or nothing."""
        return self._text.toPlainText()

    def isRunning(self) -> bool:
        return self._job is not None

    def diagnose(self, *_: object) -> None:
        """Look; nothing happens while it looks already."""
        if self._job is not None:
            return
        self._job = job = Job("Diagnose", partial(diagnosis_steps, self._online.isChecked()), self)
        job.returned.connect(self._on_returned)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        self._look.setEnabled(False)
        self._say("Looking...")
        job.start()

    def copy(self, *_: object) -> None:
        """Put what was found on the clipboard."""
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

    def _on_finished(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.deleteLater()
        self._look.setEnabled(True)

    def _say(self, text: str) -> None:
        self._status.setText(text)
        self._status.setVisible(bool(text))
