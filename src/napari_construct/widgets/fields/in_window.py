"""Errors in the words of the window: their remedies name options of the command line."""

from __future__ import annotations

import re
from typing import Final

_OPTION: Final = r"(?<![^\s(])--"
_RULES: Final = tuple(
    (re.compile(found), said)
    for found, said in (
        (
            r"let segment or batch replace it with --overwrite \(in napari: ([^,]+), in Batch\)",
            r"tick \1 in Batch",
        ),
        (r"let batch replace it with --overwrite", "tick Overwrite files of others"),
        (
            r"give another one with --name, replace the model with --overwrite, or remove it first",
            "rename the file, or remove the other model first",
        ),
        (r"(?:give another|choose) one with --name", "rename the file"),
        (r"name one with --file, or check the repository", "check the repository"),
        (r", or replace them with --overwrite", ""),
        (r" \((?:in )?Python: [^)]*\)", ""),
        (r" \('napari-construct [^']*'\)", ""),
        (r" \(--classes[^)]*\)", ""),
        (r"name the classes it was trained on with --classes", "import it from a terminal, with its classes"),
        (rf"use {_OPTION}mirror(?: FOLDER)?", "choose a folder with the files under From"),
        (rf"{_OPTION}mirror", "From"),
        (rf"{_OPTION}classes", "Classes:"),
        (rf"{_OPTION}val", "Validation"),
        (rf"{_OPTION}encoder-weights", "encoder weights"),
        (rf"with {_OPTION}overwrite", "by hand"),
    )
)


def in_window(text: str) -> str:
    """A message without options and commands of a terminal; names of files are left as they are."""
    for found, said in _RULES:
        text = found.sub(said, text)
    return text
