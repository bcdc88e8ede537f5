"""Describe a file of ``torch.save`` without executing its content; runs as a script in a process of its own.

Checkpoints of research code hold, beside tensors, whatever object was at hand: configurations, numpy
numbers, arguments. ``torch.load(weights_only=True)`` refuses such files as a whole, and takes the memory that
a pickle asks for (``bytearray(10**11)``). Here the pickle inside is read by an unpickler that knows tensors
and plain containers, and makes an empty placeholder of everything else: no class is imported, no function
called, no state set. A hostile pickle can still exhaust time, memory or the stack of the interpreter that
reads it. So another process reads, under the limits below, and writes JSON: where the bytes of every tensor
lie, and plain values. Only the standard library is imported, which takes about three hundredths of a second.

JSON per value: ``{"v": plain}``, ``{"l": [...]}``, ``{"m": [[key, value], ...]}``, ``{"x": reason}`` for what
is left out, ``{"t": [dtype, start, bytes, crc, count, shape, stride, offset]}`` for a tensor.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, NamedTuple

LARGEST_PICKLE: Final = 16 * 2**20
MOST_MEMBERS: Final = 100_000
MOST_DIMENSIONS: Final = 16
MOST_VALUES: Final = 200_000
"""Values that are described; more is no checkpoint."""

MOST_MEMOS: Final = 2**22
"""Highest number under which a pickle may keep an object; its table is as long as the highest."""

DEEPEST: Final = 8
LONGEST_LIST: Final = 1000
LONGEST_TEXT: Final = 4000
SECONDS: Final = 3
MEMORY: Final = 2**30
"""Limits of the process on POSIX: seconds of the processor, bytes of address space."""

_STORAGES: Final = {
    "FloatStorage": ("float32", 4),
    "DoubleStorage": ("float64", 8),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


class Inert:
    """Stands for an object that was not rebuilt; ``of`` names its class."""

    of = "unknown"

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Items of a list of a class of its own are dropped."""

    def extend(self, items: Any) -> None:
        """Items of a list of a class of its own are dropped."""

    def add(self, item: Any) -> None:
        """Items of a set of a class of its own are dropped."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Kind(NamedTuple):
    """Type of the elements of a storage."""

    name: str
    size: int


class _Storage(NamedTuple):
    """Bytes of a tensor in the archive: type, key and number of elements."""

    kind: _Kind
    key: str
    elements: int


class _Tensor(NamedTuple):
    """A tensor that lies in the file."""

    storage: _Storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int


class InertUnpickler(pickle.Unpickler):
    """Finds tensors, containers and placeholders; never imports anything."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._made: dict[str, type[Inert]] = {}
        self.inert: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _Kind(*_STORAGES[name])
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return _rebuilt
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_: data
        if (module, name) == ("torch", "Size"):
            return lambda sizes=(): tuple(sizes)
        whole = f"{module}.{name}"[:200]
        self.inert.add(whole)
        if whole not in self._made:
            self._made[whole] = type("Inert", (Inert,), {"of": whole})
        return self._made[whole]

    def persistent_load(self, pid: Any) -> _Storage:
        word, kind, key, _, count = pid
        if word != "storage" or not isinstance(kind, _Kind) or not _whole(count) or len(str(key)) > 100:
            raise pickle.UnpicklingError("a storage of unknown form")
        return _Storage(kind, str(key), count)


def _rebuilt(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    sound = isinstance(storage, _Storage) and len(size) == len(stride) <= MOST_DIMENSIONS
    if not sound or not all(_whole(n) for n in (offset, *size, *stride)):
        raise pickle.UnpicklingError("a tensor of unknown form")
    elements, last = 1, offset
    for n, step in zip(size, stride, strict=True):
        elements, last = elements * n, last + (n - 1) * step
    if (elements and last >= storage.elements) or elements >= 2**63:
        raise pickle.UnpicklingError("a tensor that is larger than its bytes")
    return _Tensor(storage, tuple(size), tuple(stride), offset)


def _whole(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**63


def described(stream: BinaryIO) -> dict[str, Any]:
    """What the file holds, as JSON can hold it.

    Parameters
    ----------
    stream : binary file
        In PyTorch's zip format (1.6 and newer).

    Returns
    -------
    dict
        ``content`` in the form above; ``inert``, names of the classes and functions that were not rebuilt.

    Raises
    ------
    ValueError, pickle.UnpicklingError, zipfile.BadZipFile, and what else a damaged pickle leads to
        If the file is damaged or out of bounds.
    """
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1 or len(archive.infolist()) != len(entries) or len(entries) > MOST_MEMBERS:
            raise ValueError("expected one data.pkl in it")
        entry = entries[pickles[0]]
        if entry.file_size > LARGEST_PICKLE or entry.compress_type or entry.flag_bits & 1:
            raise ValueError("its data.pkl is too large, compressed or encrypted")
        code = archive.read(entry)
    _check_memos(code)
    unpickler = InertUnpickler(io.BytesIO(code))
    content = unpickler.load()
    place = _Places(stream, entries, pickles[0].removesuffix("data.pkl"))
    return {"content": _Description(place).of(content, DEEPEST), "inert": sorted(unpickler.inert)[:1000]}


def _check_memos(code: bytes) -> None:
    for opcode, number, _ in pickletools.genops(code):
        if opcode.name in ("PUT", "LONG_BINPUT") and (number is None or number > MOST_MEMOS):
            raise ValueError("its pickle keeps an object under a number that is too high")


class _Places:
    """Where the bytes of storages lie in the file."""

    def __init__(self, stream: BinaryIO, entries: Mapping[str, zipfile.ZipInfo], root: str) -> None:
        self._stream, self._entries, self._root = stream, entries, root
        self._size = stream.seek(0, io.SEEK_END)

    def of(self, storage: _Storage) -> tuple[int, int, int]:
        """First byte, number of bytes and CRC."""
        name = f"{self._root}data/{storage.key}"
        entry = self._entries.get(name)
        wanted = storage.elements * storage.kind.size
        if entry is None or entry.compress_type or entry.flag_bits & 1 or entry.file_size != wanted:
            raise ValueError(f"{name[:80]} is not {wanted} bytes stored plainly")
        self._stream.seek(entry.header_offset)
        header = self._stream.read(30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise ValueError(f"{name[:80]} is not where the directory says")
        start = entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:30]))
        if start + wanted > self._size:
            raise ValueError(f"{name[:80]} ends behind the end of the file")
        return start, wanted, entry.CRC


class _Description:
    """Values as JSON can hold them; their number is bounded, aliases of aliases included."""

    def __init__(self, places: _Places) -> None:
        self._places, self._left = places, MOST_VALUES

    def of(self, value: Any, depth: int) -> dict[str, Any]:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")
        if isinstance(value, _Tensor):
            kind, _, count = value.storage
            start, size, crc = self._places.of(value.storage)
            return {"t": [kind.name, start, size, crc, count, value.shape, value.stride, value.offset]}
        if isinstance(value, Inert):
            return {"x": value.of}
        if depth and isinstance(value, dict):
            pairs = ((k, v) for k, v in value.items() if _is_key(k))
            return {"m": [[str(k), self.of(v, depth - 1)] for k, v in pairs]}
        if depth and isinstance(value, list | tuple) and len(value) <= LONGEST_LIST:
            return {"l": [self.of(item, depth - 1) for item in value]}
        return {"v": value} if _is_plain(value) else {"x": type(value).__name__}


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, bool | float):
        return True
    # a number of a million digits is no setting, and cannot be written
    return (type(value) is int and abs(value) < 2**63) or (
        isinstance(value, str) and len(value) <= LONGEST_TEXT
    )


def _is_key(key: Any) -> bool:
    return (isinstance(key, str) and len(key) <= 300) or (type(key) is int and abs(key) < 2**63)


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows: the reader that waits has a limit of time
        return
    for what, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):  # macOS knows no limit of address space
            continue


def main() -> int:
    """Describe the file that is standard input on standard output; 2 and one line if it cannot be."""
    _limit()
    try:
        text = json.dumps(described(sys.stdin.buffer))
    except MemoryError:
        text = "reading it takes too much memory"
    except Exception as error:  # noqa: BLE001 - whatever a hostile pickle raises in here is damage
        text = " ".join(str(error)[:400].split())[:160] or type(error).__name__
    else:
        sys.stdout.write(text)
        return 0
    sys.stdout.write(text.encode("ascii", "backslashreplace").decode())
    return 2


if __name__ == "__main__":
    sys.exit(main())
