"""Every label, on disk as soon as it is given: one line each, behind the table until that is written again.

A line is handed to the operating system before the next key is read, so that it outlives a kill of this
program. The line that a kill tore is ignored. Lines say what a patch's labels are, not what changed: a
journal that was taken over already does no harm when it is read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_construct.export.atomic import unwritable
from napari_construct.labelling.table import Labels
from napari_construct.reading.places import is_file
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import json_or_none

JOURNAL: Final = ".labels.jsonl"
"""Name of the file."""

_LARGEST: Final = 2**26


class Journal:
    """The labels since the table was written.

    Parameters
    ----------
    folder : Path
        The labelled folder; whoever writes holds its lock.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._descriptor: int | None = None

    def read(self, names: Sequence[str]) -> dict[str, Labels]:
        """Labels by the file of the patch; lines that are torn, or of unknown classes, are left out.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        if not is_file(self._path):
            return {}
        with open_regular(self._path, "a journal of labels") as stream:
            content = stream.read(_LARGEST)
        numbers = {name: i for i, name in enumerate(names)}
        found: dict[str, Labels] = {}
        for line in content.split(b"\n"):
            entry = json_or_none(line) if line.strip() else None
            if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
                continue
            given = entry.get("labels")
            if given is None:
                found[entry["file"]] = None
            elif isinstance(given, list) and all(isinstance(n, str) and n in numbers for n in given):
                found[entry["file"]] = frozenset(numbers[n] for n in given)
        return found

    def add(self, file: str, labels: Labels, names: Sequence[str]) -> None:
        """Add a line.

        Raises
        ------
        ConstructError
            If the system refuses.
        """
        given = None if labels is None else [names[i] for i in sorted(labels)]
        line = json.dumps({"file": file, "labels": given}, ensure_ascii=True) + "\n"
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
                self._descriptor = os.open(self._path, flags | getattr(os, "O_BINARY", 0), 0o666)
                os.write(self._descriptor, b"\n")  # behind a line that a kill tore
            os.write(self._descriptor, line.encode())
        except OSError as error:
            raise unwritable(self._path, error) from error

    def clear(self) -> None:
        """Remove it: the table has all of it."""
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
