"""Chunks of a Zarr array, checked before the library decodes them: none may become larger than it should be.

The library decodes a chunk whole, whatever its size becomes; a few kilobytes may become many gigabytes.
"""

from __future__ import annotations

import bz2
import lzma
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from napari_construct.data.zstd_sizes import decoded_size
from napari_construct.reading.marks import HIDDEN

_MOST_FILES: Final = 1_000_000
_SLACK: Final = 2**20
"""Bytes that a chunk may have beyond its pixels: headers and checksums."""
_HARMLESS: Final = 2**26
"""Bytes that any chunk may become; what cannot exceed them is not looked into."""
_DEFLATE: Final = 1032
"""How many times larger than itself a deflated text may be at most."""
_AT_ONCE: Final = 2**24
_WORKING: Final = 2**30
"""Bytes that the decoder of LZMA may ask for."""
_ABSENT: Final = 2**64 - 1

_NO_COMPRESSION: Final = {"crc32c", "crc32", "adler32", "fletcher32", "jenkins_lookup3"}


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of one chunk: a file, or a part of one."""

    descriptor: int
    start: int
    length: int

    def read(self, at: int = 0, size: int = _ABSENT) -> bytes:
        """Bytes from a place on; all by default."""
        size = max(0, min(size, self.length - at))
        os.lseek(self.descriptor, self.start + at, os.SEEK_SET)
        found = b""
        while len(found) < size and (more := os.read(self.descriptor, size - len(found))):
            found += more
        return found

    def part(self, start: int, length: int) -> Part:
        if start + length > self.length:
            raise ValueError("a shard whose index leads behind its end")
        return Part(self.descriptor, self.start + start, length)


Check: TypeAlias = Callable[[Part, int], None]


def check_chunks(folder: Path, array: Any, largest: int, largest_shard: int | None = None) -> None:
    """Refuse chunks that take more memory than an image may, or are no files.

    Of chunks that state their size (Zstandard, Blosc, LZ4), a few bytes are read. Files that another process
    is writing beside the chunks, or moves to their place meanwhile, are passed over.

    Parameters
    ----------
    folder : Path
        Of the array.
    array : zarr.Array
        Opened; nothing was decoded yet.
    largest : int
        Bytes of one chunk's pixels.
    largest_shard : int, optional
        Bytes of one shard's pixels, where these are read in parts; as many as of a chunk by default.

    Raises
    ------
    ValueError
        With what is wrong.
    OSError
        If a file cannot be read.
    """
    check_shapes(array, largest, largest_shard)
    check = check_of(array)
    limit = limit_of(array, array.chunks)
    whole = limit if array.shards is None else limit_of(array, array.shards)
    for path, size in list(_files(folder)):
        if size > max(whole, _HARMLESS):
            raise ValueError(f"a chunk of {size:,} bytes")
        if check is not None and not path.name.startswith((".z", "zarr.json")):
            _check_file(path, array, check, limit)


def _check_file(path: Path, array: Any, check: Check, limit: int) -> None:
    with path.open("rb", buffering=0) as stream:
        file = Part(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
        for part in (file,) if array.shards is None else parts_of_shard(file, array):
            if part is not None:
                check(part, limit)


def check_shapes(array: Any, largest: int, largest_shard: int | None = None) -> None:
    """Refuse chunks of more than ``largest`` bytes, and kinds of numbers that are no pixels (ValueError)."""
    if array.dtype.kind not in "uif" or array.dtype.itemsize > 8:
        raise ValueError(f"pixels of type {array.dtype}")
    for shape, most in ((array.chunks, largest), (array.shards or (), largest_shard or largest)):
        if math.prod(shape) * array.dtype.itemsize > most:
            raise ValueError(f"chunks of shape {tuple(shape)}")


def limit_of(array: Any, shape: tuple[int, ...]) -> int:
    """Bytes that a chunk or shard of this shape may become."""
    return 2 * math.prod(shape) * int(array.dtype.itemsize) + _SLACK


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    waiting, count = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(HIDDEN):
                    continue
                count += 1
                found = entry.stat()  # reading a pipe would never end
                if stat.S_ISDIR(found.st_mode) and not entry.is_symlink():
                    waiting.append(Path(entry.path))
                elif not stat.S_ISREG(found.st_mode) or count > _MOST_FILES:
                    raise ValueError(f"{entry.name[:80]} is no file of pixels")
                else:
                    yield Path(entry.path), found.st_size


def check_of(array: Any) -> Check | None:
    """Who says how large a chunk becomes; None where it stays as it is."""
    names = [_name(codec) for codec in array.compressors]
    names = [name for name in names if name not in _NO_COMPRESSION]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _CHECKS:
        raise ValueError(
            f"chunks compressed as {', '.join(names)[:80]}, expected one of {', '.join(_CHECKS)}"
        )
    return _CHECKS[names[0]]


def _name(codec: Any) -> str:
    about = codec.get_config() if hasattr(codec, "get_config") else codec.to_dict()
    return str(about.get("id") or about.get("name")).removeprefix("numcodecs.")


def parts_of_shard(file: Part, array: Any) -> list[Part | None]:
    """The chunks of a shard in their order, by the index at one of its ends; None for those left out.

    Raises
    ------
    ValueError
        If the shard has no index, or it leads behind its end.
    """
    about = array.metadata.to_dict()["codecs"]
    settings = about[0]["configuration"]
    kinds = [codec["name"] for codec in settings["index_codecs"]]
    inner = [codec["name"] for codec in settings["codecs"]]
    if len(about) > 1 or kinds not in (["bytes"], ["bytes", "crc32c"]) or "sharding_indexed" in inner:
        raise ValueError("shards whose index is compressed, or in shards")
    count = math.prod(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    size = 16 * count
    tail = 4 * (len(kinds) - 1)
    start = 0 if settings.get("index_location") == "start" else file.length - size - tail
    order = ">" if settings["index_codecs"][0].get("configuration", {}).get("endian") == "big" else "<"
    if start < 0 or file.length < size + tail:
        raise ValueError("a shard that ends before its index")
    index = np.frombuffer(file.read(start, size), f"{order}u8")
    places = index.reshape(-1, 2).tolist()
    return [None if offset == _ABSENT else file.part(offset, length) for offset, length in places]


def _too_large(limit: int) -> ValueError:
    return ValueError(f"a chunk that becomes larger than {limit:,} bytes")


def _inflated(start: Callable[[], Any]) -> Check:
    """A check for Python's decompressors: several streams may follow each other."""

    def check(part: Part, limit: int) -> None:
        data, made = part.read(), 0
        while data:
            stream = start()
            while not stream.eof:
                decoded = stream.decompress(data, _AT_ONCE)
                made += len(decoded)
                if made > max(limit, _HARMLESS):
                    raise _too_large(limit)
                data = getattr(stream, "unconsumed_tail", b"")
                if not decoded and not data:
                    break
            data = stream.unused_data

    return check


def _deflated(bits: int) -> Check:
    check = _inflated(lambda: zlib.decompressobj(bits))
    return lambda part, limit: check(part, limit) if part.length * _DEFLATE > max(limit, _HARMLESS) else None


def _zstd(part: Part, limit: int) -> None:
    if decoded_size(part.read, part.length) > max(limit, _SLACK):
        raise _too_large(limit)


def _stated(at: int) -> Check:
    """A check for formats that state their size in four bytes, which the decoder believes."""

    def check(part: Part, limit: int) -> None:
        if int.from_bytes(part.read(at, 4), "little") > max(limit, _HARMLESS):
            raise _too_large(limit)

    return check


_CHECKS: Final[dict[str, Check]] = {
    "blosc": _stated(4),
    "zstd": _zstd,
    "zlib": _deflated(zlib.MAX_WBITS),
    "gzip": _deflated(16 + zlib.MAX_WBITS),
    "lz4": _stated(0),
    "bz2": _inflated(bz2.BZ2Decompressor),
    "lzma": _inflated(lambda: lzma.LZMADecompressor(memlimit=_WORKING)),
}
