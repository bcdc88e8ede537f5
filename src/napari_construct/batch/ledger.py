"""The ledger of a batch: a file with the state of every image.

Each change appends and syncs one line of JSON, so a kill or a power cut loses only the current image. The
first line identifies the run. Of the other lines, the last one of each key counts. An incomplete last line is
ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

from napari_construct.batch.settings import BatchSettings
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.own_files import LEDGER_FORMAT
from napari_construct.export.record import plain
from napari_construct.reading.places import is_file
from napari_construct.results.areas import stored_area

LEDGER_NAME: Final = "batch.jsonl"
VERSION: Final = 1
MAX_BYTES: Final = 2**30

State: TypeAlias = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """State and results of one image.

    Attributes
    ----------
    key, name : str
        Name in the ledger; name for people.
    state : str
        "waiting", "running", "done" or "failed"; "running" after the end of a run means that the run was
        killed at this image.
    error : str
        Why it failed.
    files : mapping
        Kind of output to path relative to the output folder.
    areas : tuple
        Of the classes, as ``SegmentationResult.areas`` gives them.
    fingerprint : str
        Fingerprint of the image when it was read.
    seconds : float
        Time spent on the image.
    """

    key: str
    name: str
    state: State = "waiting"
    error: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    areas: tuple[Mapping[str, Any], ...] = ()
    fingerprint: str = ""
    seconds: float = 0.0


class Ledger:
    """Entries of an output folder; the next run reads them. Write inside a ``with`` block.

    Parameters
    ----------
    folder : Path
        Output folder; exists when the block begins.
    header : mapping
        Settings and model; a run resumes only if they are equal.
    restart : bool
        Discard an earlier run, even with another header.

    Raises
    ------
    ConfigurationError
        If the folder holds the ledger of another run.
    ConstructError
        If the ledger cannot be read or written.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], *, restart: bool = False) -> None:
        self.path = folder / LEDGER_NAME
        self.entries: dict[str, Entry] = {}
        self._header = {"format": LEDGER_FORMAT, "version": VERSION, **plain(header)}
        self._goes_on = False
        if is_file(self.path) and not restart:
            try:
                found, self.entries = read_ledger(self.path)
            except OSError as error:
                raise _unusable(self.path, error) from error
            if isinstance(found.get("settings"), dict):
                found["settings"] = BatchSettings.renamed(found["settings"])
            _check_header(self.path, found, self._header)
            self._goes_on = bool(found)

    def __enter__(self) -> Ledger:  # noqa: PYI034 - the tests' type checker knows Self in decorated classes only
        try:
            if self._goes_on:
                _cut_torn_line(self.path)
            self._stream: IO[str] = self.path.open("a" if self._goes_on else "w", encoding="utf-8")
            if not self._goes_on:
                self._append(self._header)
        except OSError as error:
            raise _unusable(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def set(self, entry: Entry) -> None:
        """Append the entry of an image."""
        try:
            self._append(plain(asdict(entry)))
        except OSError as error:
            raise ConstructError(
                f"{self.path}: cannot be written ({error.strerror or error}); free some space and start "
                "again; finished images are kept"
            ) from error
        self.entries[entry.key] = entry

    def _append(self, content: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def read_ledger(path: Path) -> tuple[dict[str, Any], dict[str, Entry]]:
    """Header, and the last entry of every key; an incomplete last line is ignored.

    Raises
    ------
    ConfigurationError
        If the file is no ledger, or damaged before its last line.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ConfigurationError(f"{path}: expected a ledger of at most 1 GiB; move it away and start again")
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        rows = [json.loads(line) for line in lines]
        header: dict[str, Any] = dict(rows[0]) if rows else {}
        entries = [Entry(**{**row, "areas": tuple(map(stored_area, row["areas"]))}) for row in rows[1:]]
    except (UnicodeDecodeError, json.JSONDecodeError, TypeError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{path}: expected the ledger of a batch, got {error}; move it away or restart"
        ) from error
    return header, {entry.key: entry for entry in entries}


def _unusable(path: Path, error: OSError) -> ConstructError:
    return ConstructError(f"{path}: cannot be used ({error.strerror or error}); choose another output folder")


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with path.open("r+b") as stream:
            stream.truncate(end)


def _check_header(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if not found:
        return
    if found.get("version", 0) > VERSION:
        raise ConfigurationError(f"{path}: expected version {VERSION}, got a newer one; update this package")
    different = sorted(str(key) for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    if different:
        raise ConfigurationError(
            f"{path}: expected the ledger of a run with the same settings, got different "
            f"{', '.join(different)}; choose another output folder, or restart to replace its results"
        )
