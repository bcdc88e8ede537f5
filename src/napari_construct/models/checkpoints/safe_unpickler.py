"""Read PyTorch files without executing their content.

Checkpoints of research code hold, beside tensors, whatever object was at hand: configurations,
numpy numbers, arguments. ``torch.load(weights_only=True)`` refuses such files as a whole. Here the
pickle inside is read by an unpickler that knows tensors and plain containers, and makes an empty
placeholder of everything else: no class is imported, no function called, no state set.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from napari_construct.exceptions import CheckpointError
from napari_construct.types import PathLike

LARGEST: Final = 16 * 2**30
LARGEST_PICKLE: Final = 256 * 2**20
MOST_MEMBERS: Final = 100_000
MOST_DIMENSIONS: Final = 16

_STORAGES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Inert:
    """Stands for an object that was not rebuilt; ``of`` names its class."""

    of = "unknown"

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

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


@dataclass(frozen=True, slots=True)
class _Storage:
    """Bytes of a tensor in the archive: their type, key and number of elements."""

    dtype: torch.dtype
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that lies in the file until :meth:`load` is called.

    Attributes
    ----------
    path : Path
        The file.
    member : str
        Its bytes in the archive.
    shape : tuple of int
    dtype : torch.dtype
    """

    path: Path
    member: str
    dtype: torch.dtype
    count: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def load(self) -> Tensor:
        """The tensor, on the CPU, with memory of its own.

        Raises
        ------
        CheckpointError
            If the file has other bytes there than its description says.
        """
        wanted = self.count * torch.empty(0, dtype=self.dtype).element_size()
        try:
            with zipfile.ZipFile(self.path) as archive:
                entry = archive.getinfo(self.member)
                plain = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == wanted
                data = bytearray(archive.read(entry)) if plain else bytearray()
        except (zipfile.BadZipFile, EOFError, KeyError, OSError) as error:
            raise _damaged(self.path, error) from error
        if not plain:
            raise _damaged(self.path, ValueError(f"{self.member} is not {wanted} bytes stored plainly"))
        if not data:
            return torch.empty(self.shape, dtype=self.dtype)
        numbers = torch.frombuffer(data, dtype=self.dtype)
        return numbers.as_strided(self.shape, self.stride, self.offset).clone()


class _InertUnpickler(pickle.Unpickler):
    """Finds tensors, containers and placeholders; never imports anything."""

    def __init__(self, stream: io.BytesIO, path: Path, root: str) -> None:
        super().__init__(stream)
        self._path, self._root = path, root
        self._made: dict[str, type[Inert]] = {}
        self.inert: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return self._tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *_: data
        if (module, name) == ("torch", "Size"):
            return lambda sizes=(): tuple(sizes)
        whole = f"{module}.{name}"
        self.inert.add(whole)
        if whole not in self._made:
            self._made[whole] = type("Inert", (Inert,), {"of": whole})
        return self._made[whole]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(count, int):
            raise pickle.UnpicklingError("a storage of unknown form")
        return _Storage(dtype, str(key), count)

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
        numbers = (offset, *size, *stride)
        sound = isinstance(storage, _Storage) and len(size) == len(stride) <= MOST_DIMENSIONS
        if not sound or not all(isinstance(n, int) and n >= 0 for n in numbers):
            raise pickle.UnpicklingError("a tensor of unknown form")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size and last >= storage.count:
            raise pickle.UnpicklingError("a tensor that is larger than its bytes")
        member = f"{self._root}data/{storage.key}"
        return StoredTensor(
            self._path, member, storage.dtype, storage.count, tuple(size), tuple(stride), offset
        )


def read_inert(path: PathLike) -> tuple[Any, frozenset[str]]:
    """What a file of ``torch.save`` holds, with placeholders for all but tensors and plain values.

    Parameters
    ----------
    path : path
        In PyTorch's zip format (1.6 and newer).

    Returns
    -------
    content
        Containers, numbers, texts, :class:`StoredTensor`, and :class:`Inert` for everything else.
    inert : frozenset of str
        Names of the classes and functions that were not rebuilt.

    Raises
    ------
    CheckpointError
        If the file is absent, too large, of the old format, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: expected a PyTorch file, found no file; check the path")
    if path.stat().st_size > LARGEST or not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path}: expected a PyTorch file of version 1.6 or newer and at most 16 GiB, got another; save "
            "it again with a newer PyTorch"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except (
        pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, IndexError,
        AttributeError, RecursionError, RuntimeError, OSError, MemoryError,
    ) as error:  # fmt: skip
        raise _damaged(path, error) from error


def _read(path: Path, archive: zipfile.ZipFile) -> tuple[Any, frozenset[str]]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1 or len(entries) > MOST_MEMBERS:
        raise ValueError("expected one data.pkl in it")
    if entries[pickles[0]].file_size > LARGEST_PICKLE or entries[pickles[0]].compress_type:
        raise ValueError("its data.pkl is too large or compressed")
    stream = io.BytesIO(archive.read(pickles[0]))
    unpickler = _InertUnpickler(stream, path, pickles[0].removesuffix("data.pkl"))
    content = unpickler.load()
    return content, frozenset(unpickler.inert)


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return CheckpointError(
        f"{path}: expected a complete PyTorch file, got a damaged one ({reason}); copy it again"
    )


def plain_values(content: Any, depth: int = 6) -> Any:
    """Numbers, texts, lists and mappings of a content; placeholders and tensors are left out."""
    if isinstance(content, bool | int | float | str) or content is None:
        return content
    if depth and isinstance(content, Mapping):
        pairs = {str(k): plain_values(v, depth - 1) for k, v in content.items() if isinstance(k, str | int)}
        return {k: v for k, v in pairs.items() if v is not None}
    if depth and isinstance(content, list | tuple) and len(content) <= 1000:
        return [plain_values(item, depth - 1) for item in content]
    return None
