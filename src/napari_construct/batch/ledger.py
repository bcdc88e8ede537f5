"""The ledger of a batch: a file with the state of every image.

Each change appends and syncs one line of JSON, so a kill or a power cut loses only the current image. The
first line identifies the run. Of the other lines, the last one of each key counts. A line that is damaged, or
is none of ours, loses its own image only; it is segmented again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from napari_construct.batch.entries import Entry, Header, Joined, check_header, entry_of, header_of
from napari_construct.batch.share import Share, share_ledgers
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.record import plain
from napari_construct.reading.places import is_file, mode_of
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import json_or_none

LEDGER_NAME: Final = "batch.jsonl"
MAX_BYTES: Final = 2**30
MAX_LINE: Final = 2**20
"""Bytes of one line; a longer one is damaged."""
MAX_ERROR: Final = 2000
"""Characters of an error or warning that are kept."""
MAX_WARNINGS: Final = 20
"""Warnings of one image that are kept."""


class Ledger:
    """Entries of an output folder; the next run reads them. Write inside a ``with`` block.

    Only one run may use it at a time; hold the folder's lock.

    Parameters
    ----------
    folder : Path
        Output folder; exists when the block begins.
    header : Header
        Settings, model and encoder; a run resumes only if they are equal.
    restart : bool
        Discard an earlier run, even with another header.
    share : Share, optional
        Whose ledger it is; that of the folder by default. Entries of all ledgers are read. The folder's takes
        over those of shares when its block begins, and removes their ledgers.

    Attributes
    ----------
    entries : dict of str to Entry
        By key.
    joined : dict of (str, str) to Joined
        Joined files, by the stem of their stack and their kind.
    damaged : int
        Lines of the earlier run that could not be read.

    Raises
    ------
    ConfigurationError
        If the folder holds the ledger of another run.
    ConstructError
        If the ledger cannot be read or written.
    """

    def __init__(
        self, folder: Path, header: Header, *, restart: bool = False, share: Share | None = None
    ) -> None:
        self.path = folder / (LEDGER_NAME if share is None else share.ledger_name)
        others = [path for path in share_ledgers(folder) if path != self.path]
        self._taken_over = others if share is None else []
        self.entries: dict[str, Entry] = {}
        self.joined: dict[tuple[str, str], Joined] = {}
        self.damaged = 0
        self._header = header
        self._goes_on = False
        _check_kind(self.path)
        if not restart:
            # what was written last counts
            for path in () if share is None else (folder / LEDGER_NAME, *others):
                self._take(path)
            self._goes_on = self._take(self.path)
            for path in self._taken_over:
                self._take(path)

    def _take(self, path: Path) -> bool:
        """Read a ledger; whether there is one with a first line."""
        if not is_file(path):
            return False
        try:
            found, rows = _read(path)
        except OSError as error:
            raise _unusable(path, error) from error
        if found is not None:
            check_header(path, found, self._header)
        self.entries |= {row.key: row for row in rows if isinstance(row, Entry)}
        self.joined |= {(row.stack, row.kind): row for row in rows if isinstance(row, Joined)}
        self.damaged += rows.count(None)
        return found is not None

    def __enter__(self) -> Ledger:  # noqa: PYI034 - the tests' type checker knows Self in decorated classes only
        try:
            if self._goes_on:
                _cut_torn_line(self.path)
            elif self.path.is_symlink():
                self.path.unlink()  # what it leads to is not ours
            self._stream: IO[str] = self.path.open("a" if self._goes_on else "w", encoding="utf-8")
            try:
                if not self._goes_on:
                    self._append(asdict(self._header))
                self._take_over()
            except OSError:
                self._close()
                raise
        except OSError as error:
            raise _unusable(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def set(self, entry: Entry | Joined) -> None:
        """Append the entry of an image, or of a joined file of a stack."""
        try:
            self._append(asdict(entry))
        except OSError as error:
            raise ConstructError(
                f"{self.path}: cannot be written ({error.strerror or error}); free some space and start "
                "again; finished images are kept"
            ) from error
        if isinstance(entry, Joined):
            self.joined[entry.stack, entry.kind] = entry
        else:
            self.entries[entry.key] = entry

    def _take_over(self) -> None:
        """Put what the ledgers of shares hold into that of the folder, and remove them."""
        if self._taken_over:
            entries: list[Entry | Joined] = [*self.entries.values(), *self.joined.values()]
            for entry in entries:
                self._append(asdict(entry))
        for path in self._taken_over:
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        with suppress(OSError):  # of a line that could not be written, which was said
            self._stream.close()

    def _append(self, content: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(plain(content), allow_nan=False) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def read_ledger(path: Path) -> tuple[Header | None, dict[str, Entry]]:
    """Header, and the last good entry of every key; an incomplete last line counts as none.

    There is no header in a file without a complete line.

    Raises
    ------
    ConfigurationError
        If the file is no ledger, or too large for one.
    """
    header, rows = _read(path)
    return header, {row.key: row for row in rows if isinstance(row, Entry)}


def _read(path: Path) -> tuple[Header | None, list[Entry | Joined | None]]:
    """Header, and what the other lines hold; None for a damaged one."""
    if path.stat().st_size > MAX_BYTES:
        raise ConfigurationError(f"{path}: expected a ledger of at most 1 GiB; move it away and start again")
    header = None
    rows: list[Entry | Joined | None] = []
    for number, line in enumerate(_lines(path)):
        row = json_or_none(line)
        if number == 0:
            header = header_of(path, row)
        else:
            rows.append(entry_of(row))
    return header, rows


def _lines(path: Path) -> Iterator[bytes]:
    """Complete lines; of one that is too long, as much as shows it."""
    with open_regular(path, "the ledger of a batch") as stream:
        while line := stream.readline(MAX_LINE):
            whole = line
            while not whole.endswith(b"\n"):
                whole = stream.readline(MAX_LINE)
                if not whole:
                    return
            yield line


def _check_kind(path: Path) -> None:
    """Refuse what is no file, whoever made it: a pipe would wait, and a device keeps nothing."""
    if mode_of(path) and not is_file(path):
        raise ConfigurationError(
            f"{path}: expected the ledger of a batch or nothing, got a folder, pipe or device; move it away, "
            "or choose another output folder"
        )


def _unusable(path: Path, error: OSError) -> ConstructError:
    return ConstructError(f"{path}: cannot be used ({error.strerror or error}); choose another output folder")


def _cut_torn_line(path: Path) -> None:
    """Cut what follows the last complete line."""
    with path.open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(end - MAX_LINE, 0)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                stream.truncate(start + found + 1)
                return
            end = start
        stream.truncate(0)
