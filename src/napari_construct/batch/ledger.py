"""The ledger of a batch: a file with the state of every image.

Each change appends and syncs one line of JSON, so a kill or a power cut loses only the current image. The
first line identifies the run. Of the other lines, the last one of each key counts. A line that is damaged, or
is none of ours, loses its own image only; it is segmented again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, field
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from napari_construct.batch.settings import BatchSettings
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.record import plain
from napari_construct.reading.places import is_file, mode_of
from napari_construct.results.areas import stored_area

LEDGER_NAME: Final = "batch.jsonl"
VERSION: Final = 1
MAX_BYTES: Final = 2**30
MAX_LINE: Final = 2**20
"""Bytes of one line; a longer one is damaged."""
MAX_ERROR: Final = 2000
"""Characters of an error that are kept."""

State: TypeAlias = Literal["waiting", "running", "done", "failed"]
Area: TypeAlias = Mapping[str, str | int | float]

_TOLERANT: Final = ConfigDict(extra="ignore")  # of a later version


@dataclass(frozen=True, slots=True, config=_TOLERANT)
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
    sizes, sha256 : mapping
        Of the files, by kind, as :func:`~napari_construct.export.digests.digest` finds them. Empty in entries
        of earlier versions.
    """

    key: str
    name: str
    state: State = "waiting"
    error: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    areas: tuple[Area, ...] = ()
    fingerprint: str = ""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _inside(cls, files: Mapping[str, str]) -> Mapping[str, str]:
        for name in files.values():
            path = PurePosixPath(name)
            if not name or "\0" in name or path.is_absolute() or ".." in path.parts or "\\" in name:
                raise ValueError(f"expected a path in the output folder, got {name[:80]!r}")
        return files

    @field_validator("areas")
    @classmethod
    def _of_classes(cls, areas: tuple[Area, ...]) -> tuple[Area, ...]:
        for area in areas:
            numbers = [value for name, value in area.items() if name != "class"]
            if not isinstance(area.get("class"), str) or not all(map(_is_finite, numbers)):
                raise ValueError("expected the name and the finite measures of a class")
        return areas


@dataclass(frozen=True, slots=True, config=_TOLERANT)
class Header:
    """What identifies a run.

    Attributes
    ----------
    format, version
        Of the ledger.
    settings : mapping
        Of the batch, without model and device.
    model : str
        SHA-256 of the model, or its name.
    encoder : str or None
        SHA-256 of the encoder's weights. None in ledgers of earlier versions.
    weights : str or None
        SHA-256 of the weights of a model that is no file, of which ``model`` is only the name.
    """

    format: Literal["napari-construct batch"]
    settings: Mapping[str, Any]
    model: str
    version: Annotated[int, Field(ge=1)] = VERSION
    encoder: str | None = None
    weights: str | None = None


@dataclass(frozen=True, slots=True, config=_TOLERANT)
class Joined:
    """The joined mask of a stack, as it was written.

    Attributes
    ----------
    stack : str
        Stem of the stack.
    size, sha256
        As of an entry's files.
    """

    stack: str
    size: int
    sha256: str


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

    Attributes
    ----------
    entries : dict of str to Entry
        By key.
    joined : dict of str to Joined
        Joined masks, by the stem of their stack.
    damaged : int
        Lines of the earlier run that could not be read.

    Raises
    ------
    ConfigurationError
        If the folder holds the ledger of another run.
    ConstructError
        If the ledger cannot be read or written.
    """

    def __init__(self, folder: Path, header: Header, *, restart: bool = False) -> None:
        self.path = folder / LEDGER_NAME
        self.entries: dict[str, Entry] = {}
        self.joined: dict[str, Joined] = {}
        self.damaged = 0
        self._header = header
        self._goes_on = False
        _check_kind(self.path)
        if is_file(self.path) and not restart:
            try:
                found, rows = _read(self.path)
            except OSError as error:
                raise _unusable(self.path, error) from error
            self.entries = {row.key: row for row in rows if isinstance(row, Entry)}
            self.joined = {row.stack: row for row in rows if isinstance(row, Joined)}
            self.damaged = rows.count(None)
            if found is not None:
                _check_header(self.path, found, header)
                self._goes_on = True

    def __enter__(self) -> Ledger:  # noqa: PYI034 - the tests' type checker knows Self in decorated classes only
        try:
            if self._goes_on:
                _cut_torn_line(self.path)
            elif self.path.is_symlink():
                self.path.unlink()  # what it leads to is not ours
            self._stream: IO[str] = self.path.open("a" if self._goes_on else "w", encoding="utf-8")
            if not self._goes_on:
                self._append(asdict(self._header))
        except OSError as error:
            raise _unusable(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def set(self, entry: Entry | Joined) -> None:
        """Append the entry of an image, or of a stack's joined mask."""
        try:
            self._append(asdict(entry))
        except OSError as error:
            raise ConstructError(
                f"{self.path}: cannot be written ({error.strerror or error}); free some space and start "
                "again; finished images are kept"
            ) from error
        if isinstance(entry, Joined):
            self.joined[entry.stack] = entry
        else:
            self.entries[entry.key] = entry

    def _append(self, content: Mapping[str, Any]) -> None:
        # escaped, so that names that are no Unicode can be written, too
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
        row = _parsed(line)
        if number == 0:
            header = _header_of(path, row)
        else:
            rows.append(_entry_of(row))
    return header, rows


def _lines(path: Path) -> Iterator[bytes]:
    """Complete lines; of one that is too long, as much as shows it."""
    with path.open("rb") as stream:
        while line := stream.readline(MAX_LINE):
            whole = line
            while not whole.endswith(b"\n"):
                whole = stream.readline(MAX_LINE)
                if not whole:
                    return
            yield line


def _parsed(line: bytes) -> Any:
    """What a line of JSON holds; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _header_of(path: Path, row: Any) -> Header:
    if isinstance(row, dict) and isinstance(row.get("version"), int) and row["version"] > VERSION:
        raise ConfigurationError(f"{path}: expected version {VERSION}, got a newer one; update this package")
    try:
        return _HEADER.validate_python(row)
    except ValidationError as error:
        raise ConfigurationError(
            f"{path}: expected the ledger of a batch, got a first line that is not its beginning; move it "
            "away, or choose another output folder"
        ) from error


def _entry_of(row: Any) -> Entry | Joined | None:
    if isinstance(row, dict) and isinstance(row.get("areas"), list):
        row = {**row, "areas": [stored_area(a) if isinstance(a, dict) else a for a in row["areas"]]}
    kind = _JOINED if isinstance(row, dict) and "stack" in row else _ENTRY
    try:
        return kind.validate_python(row)
    except ValidationError:
        return None


_ENTRY: Final[TypeAdapter[Entry | Joined]] = TypeAdapter(Entry)
_JOINED: Final[TypeAdapter[Entry | Joined]] = TypeAdapter(Joined)
_HEADER: Final[TypeAdapter[Header]] = TypeAdapter(Header)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


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


def _differ(found: str | None, wanted: str | None) -> bool:
    return found is not None and wanted is not None and found != wanted


def _check_header(path: Path, found: Header, wanted: Header) -> None:
    old = BatchSettings.renamed(found.settings)
    different = [
        name
        for name, changed in (
            ("encoder", _differ(found.encoder, wanted.encoder)),
            ("model", found.model != wanted.model or _differ(found.weights, wanted.weights)),
            ("settings", old != plain(wanted.settings)),
        )
        if changed
    ]
    if different:
        raise ConfigurationError(
            f"{path}: expected the ledger of a run with the same settings, got different "
            f"{', '.join(different)}; choose another output folder, or restart to replace its results"
        )
