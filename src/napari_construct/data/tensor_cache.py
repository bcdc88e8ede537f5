"""Tensors on disk by key, in a folder of bounded size.

One safetensors file per key, with a checksum. Files appear whole or not at all
(temporary file, rename), so several processes may use one folder and any of them may be killed. A damaged
file, whatever is wrong with it, is removed and counts as absent; the caller computes it again. The folder is
bounded: when it is full, the least recently used files are deleted. Writes are not synced; after a power cut
the checksum finds incomplete files.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from napari_construct.exceptions import ConstructError, InputError
from napari_construct.reading.places import files_in
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import parse_json
from napari_construct.types import PathLike

SUFFIX: Final = ".safetensors"
STALE: Final = 3600.0
"""Seconds after which a temporary file belongs to a process that was killed."""

_DAMAGE: Final = (
    InputError,
    SafetensorError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
)
"""What reading a damaged file may raise: the system's errors, ours, safetensors' and torch's."""

_KEY = re.compile(r"[0-9a-f]{64}")


class TensorCache:
    """Tensors by key in a folder of bounded size; a key is a SHA-256 in hexadecimal.

    Parameters
    ----------
    folder : path
        Made when the first tensors are stored.
    limit : int
        Bytes that all files together may take. Several processes at work at once may exceed it by a
        twentieth each.
    """

    KEPT: ClassVar[str] = "tensors"
    """What is kept, in messages."""

    REMEDY: ClassVar[str] = "free some space, or choose another folder"
    """What to do where the system refuses to write."""

    def __init__(self, folder: PathLike, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"expected a limit of at least 1 byte, got {limit}; give some gigabytes")
        self.folder, self.limit = Path(folder), limit
        self._unseen = limit  # bytes written since the folder was last looked at: look before the first

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> dict[str, Tensor] | None:
        """Tensors of a key; None if they are absent or damaged."""
        path = self._path(key)
        found = _read(path)
        if found is None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None
        with suppress(OSError):  # another process may have removed it in the meantime
            os.utime(path)
        return found

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Store tensors; returns them as :meth:`get` will give them. What exceeds the limit is not kept.

        Raises
        ------
        ConstructError
            If the system refuses to write.
        """
        stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        path = self._path(key)
        data = safetensors.torch.save(stored, {"crc32": _checksum(stored)})
        if len(data) <= self.limit:
            self._make_room(len(data))
            self._write(path, data)
        return stored

    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size, _ in self._files())

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"expected a key of 64 hexadecimal digits, got {key!r}; use a SHA-256")
        return self.folder / key[:2] / f"{key[2:]}{SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        try:
            if path.is_dir():
                return
            with suppress(FileNotFoundError):  # the folder went after it was made: once more
                _write_whole(path, data)
                return
            _write_whole(path, data)
        except OSError as error:
            raise ConstructError(
                f"{path}: {self.KEPT} cannot be kept ({error.strerror or error}); {self.REMEDY}"
            ) from error

    def _make_room(self, wanted: int) -> None:
        """Remove what was used longest ago, until the new file and some more fit."""
        self._unseen += wanted
        if self._unseen < self.limit / 20:
            return
        files = sorted(self._files(), key=lambda file: file[2])
        total = sum(size for _, size, _ in files) + wanted
        if total > self.limit:
            for path, size, _ in files:
                with suppress(OSError):
                    path.unlink()
                total -= size
                if total <= 0.9 * self.limit:
                    break
        self._unseen = max(0, total - int(0.95 * self.limit))

    def _files(self) -> list[tuple[Path, int, float]]:
        """Path, bytes and time of last use of every file; what killed processes left half-written goes."""
        found = []
        for folder in files_in(self.folder):
            for path in files_in(folder) if len(folder.name) == 2 else ():
                try:
                    status = path.stat()
                    if path.suffix == SUFFIX:
                        found.append((path, status.st_size, status.st_mtime))
                    elif path.suffix == ".part" and time.time() - status.st_mtime > STALE:
                        path.unlink()
                except OSError:  # removed by another process
                    continue
        return found


def cache_folder(name: str) -> Path:
    """``napari-construct/NAME`` in the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "napari-construct" / name


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file as they are stored; None if it is absent, or anything is wrong with it.

    The file is read, not mapped: if a mapped one is cut short while it is used, the process dies.
    """
    try:
        with open_regular(path, "a file of tensors") as stream:
            data = stream.read()
        tensors = safetensors.torch.load(data)
        if _stored_checksum(data) == _checksum(tensors):
            return tensors
    except _DAMAGE:
        pass  # whatever it is, the tensors are computed again
    return None


def _stored_checksum(data: bytes) -> str:
    """What the header of a file says; safetensors hands out tensors only."""
    end = 8 + int.from_bytes(data[:8], "little")
    return str(parse_json(data[8:end], "a file of tensors", error=InputError)["__metadata__"]["crc32"])


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 over names and bytes, which finds what a crash left incomplete."""
    crc = 0
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        crc = zlib.crc32(f"{name}|{value.dtype}|{tuple(value.shape)}".encode(), crc)
        crc = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy().tobytes(), crc)
    return f"{crc:08x}"
