"""Arrays of an npz file, read row by row: the file may be larger than memory, and may be anybody's."""

from __future__ import annotations

import shutil
import struct
import tempfile
import threading
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.names import named
from napari_construct.reading.npz.header import ArrayHeader, read_array_header
from napari_construct.reading.regular import open_regular, sha256_of
from napari_construct.reading.zip_directory import check_directory
from napari_construct.types import PathLike

LARGEST: Final = 2**35
"""Bytes that one array may have when it is unpacked (32 GiB)."""

IN_MEMORY: Final = 2**27
"""Bytes up to which a compressed array is unpacked to memory; larger ones to a temporary file."""

_SPARE: Final = 2**30
"""Bytes of the disk that stay free."""

_AT_ONCE: Final = 2**20
_MOST_MEMBERS: Final = 1000
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ENCRYPTED: Final = 0x1
_ERRORS: Final = (
    zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, LookupError,
    OverflowError, struct.error, zlib.error,
)  # fmt: skip


class NpzFile:
    """The arrays of an npz file, listed.

    Parameters
    ----------
    path : str or path
        A file that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.
    largest : int
        Arrays of more bytes are refused before anything of them is read.

    Attributes
    ----------
    names : tuple of str
        Of the arrays, in the order of the file.

    Raises
    ------
    InputError
        If it is no npz file, or damaged.
    """

    def __init__(self, path: PathLike, *, largest: int = LARGEST) -> None:
        self.path = Path(path)
        self._largest = largest
        self._digest: str | None = None
        with open_regular(self.path, "an npz file") as stream:
            try:
                check_directory(stream)
                with zipfile.ZipFile(stream) as archive:
                    found = archive.infolist()
            except _ERRORS as error:
                raise _damaged(self.path, error) from error
        if len(found) > _MOST_MEMBERS:
            raise _damaged(self.path, f"{len(found)} arrays")
        self._members = {entry.filename.removesuffix(".npy"): entry for entry in found}
        if len(self._members) < len(found):
            raise _damaged(self.path, "two arrays of one name")
        self.names = tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def array(self, name: str) -> NpzArray:
        """One of the arrays; only its header is read.

        Raises
        ------
        InputError
            If there is none of this name, it is too large, holds Python objects, or its sizes contradict each
            other.
        """
        if name not in self._members:
            raise InputError(
                f"{self.path}: expected an array {quoted(name)}, got {named(self.names) or 'none'}; save it "
                "under this name"
            )
        return NpzArray(self.path, name, self._members[name], self._largest)

    def digest(self) -> str:
        """SHA-256 of the file, computed once."""
        if self._digest is None:
            self._digest = sha256_of(self.path)
        return self._digest


class NpzArray:
    """One array of an npz file. Rows are read when they are asked for, from several threads too.

    A compressed array is unpacked when its first row is asked for: to memory, or above 128 MB to a temporary
    file that has no name and vanishes with the object.

    Attributes
    ----------
    header : ArrayHeader
        Its shape and type.
    """

    def __init__(self, path: Path, name: str, member: zipfile.ZipInfo, largest: int) -> None:
        self.path, self.name = path, name
        self._member = member
        self._lock = threading.Lock()
        self._unpacked: IO[bytes] | None = None
        if member.flag_bits & _ENCRYPTED:
            raise InputError(
                f"{self._called}: expected an array, got an encrypted one; save it without password"
            )
        if member.file_size > largest:
            raise InputError(
                f"{self._called}: expected at most {largest:,} bytes, the file says {member.file_size:,}; "
                "split it into several files"
            )
        with open_regular(path, "an npz file") as stream:
            try:
                with zipfile.ZipFile(stream) as archive, archive.open(member) as opened:
                    self.header: ArrayHeader = read_array_header(opened, self._called)
            except InputError:
                raise
            except _ERRORS as error:
                raise _damaged(path, error) from error
        if member.file_size != self.header.start + self.header.nbytes:
            raise _damaged(
                path,
                f"{name} of shape {self.header.shape} needs {self.header.nbytes:,} bytes, and "
                f"{member.file_size - self.header.start:,} are there",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values."""
        return self.header.dtype

    def row(self, index: int) -> NDArray[Any]:
        """A copy of one entry along the first axis.

        Raises
        ------
        InputError
            If the file is damaged, or there is no room to unpack it.
        """
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"row {index} of {self.shape[0]}")
        raw = self._read(self.header.start + index * self.header.row_bytes, self.header.row_bytes)
        return np.frombuffer(raw, self.dtype).reshape(self.shape[1:]).copy()

    def whole(self, most: int) -> NDArray[Any]:
        """The whole array.

        Raises
        ------
        InputError
            If it has more than ``most`` bytes, or as of :meth:`row`.
        """
        if self.header.nbytes > most:
            raise InputError(
                f"{self._called}: expected at most {most:,} bytes, got {self.header.nbytes:,}; shorten it"
            )
        raw = self._read(self.header.start, self.header.nbytes)
        return np.frombuffer(raw, self.dtype).reshape(self.shape).copy()

    def __getstate__(self) -> dict[str, Any]:
        """Without lock and temporary file: another process unpacks for itself."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_unpacked")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock, self._unpacked = threading.Lock(), None

    @property
    def _called(self) -> str:
        return f"{self.path} ({self.name[:80]})"

    def _read(self, start: int, count: int) -> bytes:
        try:
            if self._member.compress_type == zipfile.ZIP_STORED:
                raw = self._read_stored(start, count)
            else:
                with self._lock:
                    if self._unpacked is None:
                        self._unpacked = self._unpack()
                    self._unpacked.seek(start)
                    raw = self._unpacked.read(count)
        except InputError:
            raise
        except _ERRORS as error:
            raise _damaged(self.path, error) from error
        if len(raw) != count:
            raise _damaged(self.path, f"{self.name} ends early")
        return raw

    def _read_stored(self, start: int, count: int) -> bytes:
        """Bytes of an array that lies in the file as it is."""
        with open_regular(self.path, "an npz file") as stream:
            stream.seek(self._member.header_offset)
            mark, *_, name, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
            if mark != b"PK\x03\x04":
                raise _damaged(self.path, f"{self.name} does not lie where its directory says")
            stream.seek(name + extra + start, 1)
            return stream.read(count)

    def _unpack(self) -> Any:
        """The decompressed array, of exactly the size that the file states."""
        size = self._member.file_size
        folder = tempfile.gettempdir()
        if size > IN_MEMORY and shutil.disk_usage(folder).free < size + _SPARE:
            raise InputError(
                f"{self._called}: expected room for {size / 2**30:.1f} GB in {folder} to unpack it, got "
                "less; set TMPDIR to a folder with room, or save it with numpy.savez, which is not packed"
            )
        # closed when this object is no more needed
        unpacked: Any = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, unpacked.close)
        with (
            open_regular(self.path, "an npz file") as stream,
            zipfile.ZipFile(stream) as archive,
            archive.open(self._member) as packed,
        ):
            made = 0
            while data := packed.read(_AT_ONCE):
                made += len(data)
                if made > size:
                    raise _damaged(self.path, f"{self.name} is longer than it says")
                unpacked.write(data)
        if made < size:
            raise _damaged(self.path, f"{self.name} ends after {made:,} of {size:,} bytes")
        return unpacked


def _damaged(path: Path, reason: object) -> InputError:
    detail = " ".join(str(reason).split())[:200] or type(reason).__name__
    return InputError(f"{path}: expected a whole npz file, it is damaged or none ({detail}); get it again")
