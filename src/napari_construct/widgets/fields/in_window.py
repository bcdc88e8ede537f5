"""Messages in the words of the window: what they say to users of the command line and of Python goes.

So does the name of an image where the result that they belong to says it already.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

_ASIDE: Final = re.compile(r" ?\([^()]*\)")
_COMMAND: Final = re.compile(r"--[a-z]|\bnapari-construct [a-z]|\bin Python\b")
_CONTROLS: Final = (
    (re.compile(r"let it be replaced \(in napari: ([^,)]+)(?:, in Batch)?\)"), r"tick \1 in Batch"),
    (re.compile(r"use a mirror\b"), "choose a folder with the files under From"),
    (re.compile(r"check the mirror\b"), "check From"),
    (re.compile(r"(?<=\d )um\b"), "µm"),
)
"""Remedies that are controls of a dock, as the dock calls them; and a unit that not every terminal shows."""


def in_window(text: str) -> str:
    """A message without options and commands of a terminal; names of files are left as they are.

    Such words stand in parentheses in every message: "name the classes (--classes a,b)".
    """
    text = _ASIDE.sub(_without_commands, text)
    for remedy, control in _CONTROLS:
        text = remedy.sub(control, text)
    return text


def _without_commands(aside: re.Match[str]) -> str:
    parts = aside[0].strip()[1:-1].split("; ")
    kept = [part for part in parts if not _COMMAND.search(part)]
    return f" ({'; '.join(kept)})" if kept else ""


def without_name(text: str, image: str) -> str:
    """A notice without "NAME: " or "NAME, plane 3: " in front of it."""
    short = PurePath(image).name or image
    return re.sub(rf"^({re.escape(image)}|{re.escape(short)})(, plane \d+)?: ", "", text)


def as_sentence(text: str) -> str:
    """A text with a capital letter in front; "µm" stays what it is."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text
