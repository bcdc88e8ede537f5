"""Read files of ``torch.save`` without executing their content, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess  # starts this Python with a script of this package, never a shell
import sys
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from napari_construct.exceptions import CheckpointError, InputError
from napari_construct.reading.pytorch import inert_pickle, old_format
from napari_construct.reading.regular import open_regular
from napari_construct.types import PathLike

LARGEST: Final = 16 * 2**30
PATIENCE: Final = 30
OLD_PATIENCE: Final = 300
"""Seconds that the process which describes a file may take; it has a shorter limit of its own on POSIX."""

LARGEST_EXPANDED: Final = 2**28
"""Bytes of a tensor that repeats some of its bytes, as ``expand`` makes it."""

_OTHER_BYTES: Final = "a tensor has other bytes than its checksum says"
_DTYPES: Final = {
    name: getattr(torch, name)
    for name in (
        "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inert:
    """Stands for what was not rebuilt.

    Attributes
    ----------
    of : str
        Name of its class.
    """

    of: str


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that lies in the file until it is loaded.

    Attributes
    ----------
    path : Path
        The file.
    start, size, crc : int
        Its storage: first byte in the file, bytes, CRC-32 as the archive states it.
    dtype : torch.dtype
    shape, stride : tuple of int
    offset : int
        First element of the storage that it uses.
    """

    path: Path
    start: int
    size: int
    crc: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def load(self) -> Tensor:
        """The tensor, on the CPU, with memory of its own; its bytes are compared with their CRC.

        Raises
        ------
        CheckpointError
            If the file has other bytes there than its description says, or the tensor is an expanded one: few
            bytes, which take any number of them when they are copied.
        """
        if prod(self.shape) * self.dtype.itemsize > self.size:
            raise damaged(self.path, "a tensor that is larger than its bytes")
        try:
            with open_regular(self.path, "a PyTorch file") as stream:
                stream.seek(self.start)
                data = bytearray(stream.read(self.size))
        except (InputError, OSError) as error:
            raise CheckpointError(f"{self.path}: cannot be read ({error}); copy it again") from error
        if len(data) != self.size or zlib.crc32(data) != self.crc:
            raise damaged(self.path, _OTHER_BYTES)
        if not data:
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.frombuffer(data, dtype=self.dtype).as_strided(
            self.shape, self.stride, self.offset
        ).clone()  # fmt: skip


class MappedFile:
    """The bytes of a file, mapped to memory: a page is read when it is used, and nothing is copied.

    Parameters
    ----------
    path : path
        A file of ``torch.save``.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._whole: Any = torch.UntypedStorage.from_file(
            os.fspath(path), False, self.path.stat().st_size
        )  # fmt: skip
        self._sound: set[tuple[int, int]] = set()

    def tensor(self, stored: StoredTensor) -> Tensor:
        """A tensor within the map; its bytes are compared with their CRC once.

        Raises
        ------
        CheckpointError
            If they differ, or if it is an expanded tensor of more than ``LARGEST_EXPANDED`` bytes.
        """
        start, size = stored.start, stored.size
        if prod(stored.shape) * stored.dtype.itemsize > max(size, LARGEST_EXPANDED):
            raise damaged(self.path, "a tensor that is larger than its bytes")
        if not size or start % stored.dtype.itemsize or start + size > self._whole.nbytes():
            return stored.load()  # torch aligns what it writes
        part = self._whole[start : start + size]
        if (start, size) not in self._sound:
            data: Any = torch.empty(0, dtype=torch.uint8).set_(part).numpy()
            if zlib.crc32(data) != stored.crc:
                raise damaged(self.path, _OTHER_BYTES)
            self._sound.add((start, size))
        return torch.empty(0, dtype=stored.dtype).set_(part, stored.offset, stored.shape, stored.stride)


def read_pytorch(path: PathLike) -> tuple[Any, frozenset[str]]:
    """What a file of ``torch.save`` holds, with placeholders for all but tensors and plain values.

    A process of its own reads the pickle, see :mod:`.inert_pickle`.

    Parameters
    ----------
    path : path
        In PyTorch's zip format (1.6 and newer).

    Returns
    -------
    content
        Mappings, lists, numbers, texts, :class:`StoredTensor`, and :class:`Inert` for everything else.
    inert : frozenset of str
        Names of the classes and functions that were not rebuilt.

    Raises
    ------
    CheckpointError
        If the file is absent, no regular file, too large, of the old format, or damaged, or if reading it
        takes more time or memory than a checkpoint can.
    """
    path = Path(path)
    try:
        stream = open_regular(path, "a PyTorch file")
    except InputError as error:
        raise CheckpointError(str(error)) from error
    with stream:
        if os.fstat(stream.fileno()).st_size > LARGEST or not zipfile.is_zipfile(stream):
            raise CheckpointError(
                f"{path}: expected a PyTorch file of version 1.6 or newer and at most 16 GiB, got another; "
                "save it again with a newer PyTorch"
            )
        stream.seek(0)
        found = json.loads(_description(path, stream))
    return _rebuilt(path, found["content"]), frozenset(found["inert"])


def _description(path: Path, stream: BinaryIO) -> bytes:
    # -I -S: neither the folder of the day nor the environment decides what the process imports
    return _outside(path, stream, ["-I", "-S", inert_pickle.__file__], PATIENCE)


def is_old(start: bytes) -> bool:
    """Whether a file of these first bytes was written by PyTorch before version 1.6."""
    return start.startswith(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")


def read_old_pytorch(path: PathLike) -> dict[str, Tensor]:
    """Named tensors of a file of before version 1.6, read by torch in a process of its own.

    Raises
    ------
    CheckpointError
        If it is absent or damaged, holds something else, or takes too much time or memory.
    """
    path = Path(path)
    with TemporaryDirectory(prefix="napari-construct-") as folder:
        target = Path(folder) / "weights.safetensors"
        try:
            with open_regular(path, "a PyTorch file") as stream:
                _outside(path, stream, ["-P", old_format.__file__, str(target)], OLD_PATIENCE)
            return safetensors.torch.load(target.read_bytes())
        except InputError as error:
            raise CheckpointError(str(error)) from error
        except (OSError, SafetensorError) as error:
            raise damaged(path, error) from error


def _outside(path: Path, stream: BinaryIO, arguments: list[str], patience: int) -> bytes:
    """What a script of this package writes about a file."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [sys.executable, *arguments], stdin=stream, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise damaged(path, f"reading it takes more than {patience} s") from error
    except OSError as error:
        raise CheckpointError(
            f"{path}: expected to start {sys.executable} to read it, got an error ({error.strerror}); check "
            "the Python installation"
        ) from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode == 2 and done.stdout:
        raise damaged(path, done.stdout.decode("ascii", "replace"))
    raise damaged(path, "its pickle ended the process that read it, or took too long or too much memory")


def _rebuilt(path: Path, found: Mapping[str, Any]) -> Any:
    ((form, value),) = found.items()
    if form == "m":
        return {key: _rebuilt(path, item) for key, item in value}
    if form == "l":
        return [_rebuilt(path, item) for item in value]
    if form == "t":
        dtype, start, size, crc, _, shape, stride, offset = value
        return StoredTensor(path, start, size, crc, _DTYPES[dtype], tuple(shape), tuple(stride), offset)
    return Inert(value) if form == "x" else value


def damaged(path: Path, reason: object) -> CheckpointError:
    """The error for a file that is not what it should be."""
    return CheckpointError(
        f"{path}: expected a complete PyTorch file, got a damaged one ({reason}); copy it again"
    )


def plain_values(content: Any, depth: int = 6) -> Any:
    """Numbers, texts, lists and mappings of a content; placeholders and tensors are left out."""
    if isinstance(content, bool | int | float | str) or content is None:
        return content
    if depth and isinstance(content, Mapping):
        pairs = {key: plain_values(value, depth - 1) for key, value in content.items()}
        return {key: value for key, value in pairs.items() if value is not None}
    if depth and isinstance(content, list):
        return [plain_values(item, depth - 1) for item in content]
    return None
