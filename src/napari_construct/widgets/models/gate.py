"""Access to gated weights: licence, access, token and check, then the download."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGroupBox, QLabel, QVBoxLayout, QWidget

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.widgets.fields.controls import button, tick, wrapped_label
from napari_construct.widgets.fields.message_label import breakable

_PRESENT: Final = "3. Token: there is one on this computer. It stays in the store of the hub."
_ABSENT: Final = "3. Token: none on this computer. Run 'hf auth login' in a terminal, then press Look again."
_UNASKED: Final = "4. Check: press the button to ask the hub. Nothing is downloaded."


class GateBox(QGroupBox):
    """Four steps with their states; shown for a gated encoder that is not on this computer."""

    acceptedChanged = Signal()
    pageRequested = Signal()
    lookRequested = Signal()
    checkRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Access", parent)
        self._entry: EncoderEntry | None = None
        self._licence = self._label("Licence of the gated weights")
        tip = "Without your agreement nothing is downloaded"
        self._accept = tick("I have read the licence and agree", tip, self)
        self._accept.toggled.connect(self.acceptedChanged)
        self._where = self._label("Page to ask for access")
        tip = "Open the page of the authors in the browser, to ask for access"
        page = button("Open web page", tip, self.pageRequested, self)
        self._token = self._label("Token on this computer")
        tip = "Check again for a token. The token itself is not read"
        self._look = button("Look again", tip, self.lookRequested, self)
        self._access = self._label("Result of the access check")
        tip = "Ask the hub whether you may download. Nothing is downloaded"
        check = button("Check access", tip, self.checkRequested, self)
        layout = QVBoxLayout(self)
        for part in (
            self._licence, self._accept, self._where, page, self._token, self._look, self._access, check
        ):  # fmt: skip
            layout.addWidget(part)
        self.showToken(False)

    def accepted(self) -> bool:
        """Whether the user agreed to the licence."""
        return self._accept.isChecked()

    def setAccepted(self, accepted: bool) -> None:
        self._accept.setChecked(accepted)

    def isFor(self, encoder_id: str) -> bool:
        """Whether the steps belong to this encoder."""
        return self._entry is not None and self._entry.id == encoder_id

    def showEntry(self, entry: EncoderEntry | None) -> None:
        """Show the steps of an encoder."""
        other = (entry and entry.id) != (self._entry and self._entry.id)
        self._entry = entry
        if entry is None:
            return
        if other:
            self.showAccess("")
        self._licence.setText(breakable(f"1. Licence {entry.licence}: {entry.licence_terms}"))
        self._where.setText(breakable(f"2. Access: ask the authors at {entry.source}. This may take days."))

    def showToken(self, token: bool) -> None:
        self._token.setText(_PRESENT if token else _ABSENT)
        self._look.setVisible(not token)

    def showAccess(self, said: str, *, granted: bool = False) -> None:
        """Show the answer of the hub; empty before it was asked."""
        answer = "access is granted." if granted else said
        self._access.setText(breakable(f"4. Check: {answer}") if answer else _UNASKED)

    def _label(self, name: str) -> QLabel:
        label = wrapped_label(name, name, self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label
