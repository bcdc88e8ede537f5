"""A path: typed, or chosen in a dialog."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_construct.reading.places import is_folder
from napari_construct.widgets.fields.controls import button, line_edit, plain_tip
from napari_construct.widgets.fields.drops import Drops

Ask = Literal["folder", "file", "save"]
_WORDS: Final[dict[Ask, str]] = {"folder": "Folder...", "file": "File...", "save": "Save as..."}


class PathRow(QWidget):
    """Edits a path; empty for none.

    Parameters
    ----------
    name, tip : str
        Accessible name and tooltip.
    asks : tuple of {"folder", "file", "save"}
        A button for each.
    kinds : str
        Filter of file dialogs, e.g. "Tables (*.csv)".
    """

    edited = Signal()

    def __init__(
        self, name: str, tip: str, asks: tuple[Ask, ...], *, kinds: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._name, self._asks, self._kinds = name, asks, kinds
        self._line = line_edit(name, tip, self)
        self._line.editingFinished.connect(self._on_finished)
        self._before = ""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self._line, 1)
        slots = {"folder": self._ask_folder, "file": self._ask_file, "save": self._ask_save}
        self._choosers: dict[Ask, QPushButton] = {}
        for ask in asks:
            self._choosers[ask] = choose = button(
                _WORDS[ask], tip, slots[ask], self, name=f"{name}: {_WORDS[ask].rstrip('.')}"
            )
            choose.setStyleSheet("QPushButton { padding: 3px; }")
            layout.addWidget(choose)
        self._drops = Drops(self, "takeDropped", fits="takesDropped")

    def value(self) -> str:
        return self._line.text().strip()

    def setValue(self, path: str) -> None:
        """Show a path; emits ``edited`` if it differs."""
        self._line.setText(path)
        self._on_finished()

    def setHint(self, text: str) -> None:
        """Change the text that is shown while it is empty."""
        self._line.setPlaceholderText(text)

    def setAsks(self, *asks: Ask) -> None:
        """Offer some of the buttons only, and take what they would choose."""
        self._asks = asks
        for ask, choose in self._choosers.items():
            choose.setVisible(ask in asks)

    def _on_finished(self) -> None:
        if self.value() != self._before:
            self._before = self.value()
            self._line.setToolTip(plain_tip(self._before) or self._line.toolTip())
            self.edited.emit()

    def takesDropped(self, paths: list[Path]) -> bool:
        """Whether what is dropped is one path of the kind that is asked for."""
        if len(paths) != 1:
            return False
        if is_folder(paths[0]):
            return "folder" in self._asks
        patterns = re.findall(r"\*\.\w+", self._kinds)
        right = not patterns or any(paths[0].match(pattern) for pattern in patterns)
        return right and self._asks != ("folder",)

    def takeDropped(self, paths: list[Path]) -> str:
        """Edit the path that was dropped."""
        self.setValue(str(paths[0]))
        return ""

    def _start(self) -> str:
        """The folder in which a dialog opens."""
        path = Path(self.value()) if self.value() else Path.home()
        return str(path if is_folder(path) else path.parent)

    def _ask_folder(self, *_: object) -> None:
        self._take(QFileDialog.getExistingDirectory(self, self._name, self._start()))

    def _ask_file(self, *_: object) -> None:
        self._take(QFileDialog.getOpenFileName(self, self._name, self._start(), self._kinds)[0])

    def _ask_save(self, *_: object) -> None:
        self._take(
            QFileDialog.getSaveFileName(self, self._name, self.value() or self._start(), self._kinds)[0]
        )

    def _take(self, path: str) -> None:
        if path:
            self.setValue(path)
