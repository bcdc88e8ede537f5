"""A message inside a dock; errors have a button that copies the details."""

from __future__ import annotations

import platform
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_construct.events import Doubt
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.in_window import in_window
from napari_construct.widgets.fields.layout import stacked

_BREAK = re.compile(r"[/\\_.]")


class Level(Enum):
    """How serious a message is; the value is the colour of the bar beside it."""

    INFO = "#56B4E9"
    WARNING = "#E69F00"
    ERROR = "#D55E00"


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why something cannot be done, for a person; false if there is none."""

    text: str = ""
    level: Level = Level.INFO
    error: BaseException | None = None

    def __bool__(self) -> bool:
        return bool(self.text)


def problem_of(error: BaseException) -> Problem:
    """An error as a message whose details can be copied."""
    return Problem(plain(error), Level.ERROR, error)


class MessageLabel(QWidget):
    """A message with a bar in the colour of its level; hidden while empty.

    A message is one text, or a result: its headline, what informs, and apart from it what throws doubt.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._error: BaseException | None = None
        self._text = ""
        self._label = self._build_label("Message", "Status, error, or what is still missing")
        self._doubts = self._build_label("Warning", "What to check before the result is used")
        tip = "Copy versions and the technical error message for a bug report"
        self._copy = button("Copy details", tip, self._copy_details, self, name="Copy details of the error")
        stacked(self, self._label, self._doubts, self._copy).setSpacing(4)
        self.hide()

    def text(self) -> str:
        return self._text

    def showMessage(self, text: str, level: Level = Level.INFO, error: BaseException | None = None) -> None:
        """Replace the message; the details of an error can be copied."""
        self._error = error
        self._show(text, "", level)
        self._copy.setVisible(error is not None)

    def showResult(self, headline: str, notices: Iterable[str] = ()) -> None:
        """Replace the message by a result; notices that are a ``Doubt`` warn, the others inform."""
        self._error = None
        said = list(dict.fromkeys(notices))
        doubts = [text for text in said if isinstance(text, Doubt)]
        informing = [text for text in said if not isinstance(text, Doubt)]
        self._show("\n".join([headline, *informing]), "\n".join(doubts), Level.INFO)
        self._copy.hide()

    def clear(self) -> None:
        self.showMessage("")

    def _show(self, text: str, doubts: str, level: Level) -> None:
        text, doubts = in_window(text), in_window(doubts)
        self._text = "\n".join(filter(None, (text, doubts)))
        for label, words, bar in ((self._label, text, level), (self._doubts, doubts, Level.WARNING)):
            label.setText(breakable(words))
            label.setStyleSheet(f"border-left: 3px solid {bar.value}; padding-left: 5px;")
            label.setVisible(bool(words))
        self.setVisible(bool(self._text))

    def _build_label(self, name: str, tip: str) -> QLabel:
        label = wrapped_label(name, tip, self)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _copy_details(self, *_: object) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(diagnostics(self._error))


def breakable(text: str) -> str:
    """Text as labels show it: long paths can wrap after their separators, "34 %" cannot."""
    text = text.replace(" %", "\u00a0%")
    return " ".join(_BREAK.sub("\\g<0>\u200b", word) if len(word) > 24 else word for word in text.split(" "))


_REPORTED: Final = ("napari-construct", "napari", "torch", "numpy", "qtpy", "superqt")


class JobError(ConstructError):
    """An unexpected error of a job; no ``RuntimeError``, as superqt's thread worker swallows those."""


def plain(error: BaseException) -> str:
    """One or two sentences about an error, without a traceback."""
    if isinstance(error, ConstructError):
        return in_window(str(error))
    if type(error).__name__ == "OutOfMemoryError":  # torch's, without importing torch
        return "The device ran out of memory. Choose smaller tiles, average fewer views, or run on the CPU."
    if isinstance(error, MemoryError):
        return "The computer ran out of memory. Choose smaller tiles or a smaller image."
    if said := _of_system(error):
        return said
    text = str(error).strip() or "no further explanation"
    return f"Unexpected error ({type(error).__name__}): {text}. Press Copy details to report it."


def _of_system(error: BaseException) -> str:
    """What the system says of a path, in a sentence; empty for other errors."""
    if isinstance(error, UnicodeEncodeError) or "embedded null byte" in str(error):
        return "A name holds characters that no file can have. Check the paths."
    if "Symlink loop" in str(error):
        return "A link among the paths leads to itself. Check the paths."
    if isinstance(error, OSError) and error.strerror:  # the system's, about a file, a folder or the disk
        place = "" if error.filename is None else f"{_shortened(error.filename)}: "
        return (
            f"{place}cannot be used ({error.strerror}). Check the path, its permissions and the free space."
        )
    return ""


def _shortened(name: str | bytes | int, most: int = 200) -> str:
    """The end of a path, which tells more than its beginning; control characters as escapes."""
    text = name if isinstance(name, str) else repr(name)
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= most else f"...{text[-most:]}"


def diagnostics(error: BaseException | None) -> str:
    """Versions, platform and traceback as text for a bug report; no file contents, no environment."""
    lines = [f"{name} {_version(name)}" for name in _REPORTED]
    lines.append(f"Python {platform.python_version()} on {platform.platform()}")
    if error is not None:
        lines += ["", "".join(traceback.format_exception(error)).rstrip()]
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed" if name not in sys.modules else "of unknown version"
