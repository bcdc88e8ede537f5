"""The way to gated weights: licence, access, token, check; then the download."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QGroupBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.widgets.fields.message_label import breakable

_PRESENT: Final = "3. Token: there is one on this computer. It stays in the hub's own store."
_ABSENT: Final = "3. Token: none on this computer. Run 'hf auth login' in a terminal, then press Look again."
_UNASKED: Final = "4. Check: press the button to ask the hub. Nothing is downloaded."


class GateBox(QGroupBox):
    """Four steps, each with its state; shown for a gated encoder that is not here."""

    acceptedChanged = Signal()
    pageRequested = Signal()
    lookRequested = Signal()
    checkRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Access", parent)
        self._entry: EncoderEntry | None = None
        self._licence = self._label("Licence of the gated weights")
        self._accept = QCheckBox("I have read it and agree", self)
        self._accept.setToolTip("Without your agreement nothing is downloaded")
        self._accept.setAccessibleName("I have read the licence and agree")
        self._where = self._label("Where to ask for access")
        self._page = self._button(
            "Open its page", "Ask for access on the page of its authors, in your browser"
        )
        self._token = self._label("Whether there is a token")
        self._look = self._button("Look again", "Look whether there is a token now; which one is not read")
        self._access = self._label("Whether access is granted")
        self._check = self._button("Check access", "Ask the hub whether you may download; nothing is fetched")
        layout = QVBoxLayout(self)
        for part in (
            self._licence, self._accept, self._where, self._page, self._token, self._look, self._access,
            self._check,
        ):  # fmt: skip
            layout.addWidget(part)
        self._accept.toggled.connect(self._on_accept)
        self._page.clicked.connect(self._on_page)
        self._look.clicked.connect(self._on_look)
        self._check.clicked.connect(self._on_check)
        self.showToken(False)

    def accepted(self) -> bool:
        """Whether the licence was agreed to."""
        return self._accept.isChecked()

    def setAccepted(self, accepted: bool) -> None:
        self._accept.setChecked(accepted)

    def isFor(self, encoder_id: str) -> bool:
        """Whether it shows the way to this encoder."""
        return self._entry is not None and self._entry.id == encoder_id

    def showEntry(self, entry: EncoderEntry | None) -> None:
        """Begin with an encoder; agreement to another one's licence does not count for it."""
        other = (entry and entry.id) != (self._entry and self._entry.id)
        self._entry = entry
        if entry is None:
            return
        if other:
            self.showAccess("")
        self._licence.setText(breakable(f"1. Licence {entry.licence}: {entry.licence_terms}"))
        self._where.setText(breakable(f"2. Access: ask its authors at {entry.source}. They may take days."))

    def showToken(self, token: bool) -> None:
        self._token.setText(_PRESENT if token else _ABSENT)
        self._look.setVisible(not token)

    def showAccess(self, said: str, *, granted: bool = False) -> None:
        """What the hub said; nothing while it was not asked."""
        self._access.setText(breakable("4. Check: access is granted." if granted else f"4. Check: {said}"))
        if not granted and not said:
            self._access.setText(_UNASKED)

    def _on_accept(self, *_: object) -> None:
        self.acceptedChanged.emit()

    def _on_page(self, *_: object) -> None:
        self.pageRequested.emit()

    def _on_look(self, *_: object) -> None:
        self.lookRequested.emit()

    def _on_check(self, *_: object) -> None:
        self.checkRequested.emit()

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setWordWrap(True)
        label.setMinimumWidth(40)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        label.setAccessibleName(name)
        label.setToolTip(name)
        return label

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.setAccessibleName(text)
        return button
