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
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np

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


def check_chunks(folder: Path, array: Any, largest: int) -> None:
    """Refuse chunks that take more memory than an image may, or are no files.

    Parameters
    ----------
    folder : Path
        Of the array.
    array : zarr.Array
        Opened; nothing was decoded yet.
    largest : int
        Bytes of one chunk's pixels.

    Raises
    ------
    ValueError
        With what is wrong.
    OSError
        If a file cannot be read.
    """
    check_shapes(array, largest)
    check = check_of(array)
    limit = limit_of(array, array.chunks)
    whole = limit if array.shards is None else limit_of(array, array.shards)
    for path, size in list(_files(folder)):
        if size > max(whole, _HARMLESS):
            raise ValueError(f"a chunk of {size:,} bytes")
        if check is None or path.name.startswith((".z", "zarr.json")):
            continue
        data = path.read_bytes()
        for part in (data,) if array.shards is None else _parts(data, array):
            check(part, limit)


def check_shapes(array: Any, largest: int) -> None:
    """Refuse chunks of more than ``largest`` bytes, and kinds of numbers that are no pixels (ValueError)."""
    if array.dtype.kind not in "uif" or array.dtype.itemsize > 8:
        raise ValueError(f"pixels of type {array.dtype}")
    for shape in (array.chunks, array.shards or ()):
        if math.prod(shape) * array.dtype.itemsize > largest:
            raise ValueError(f"chunks of shape {tuple(shape)}")


def limit_of(array: Any, shape: tuple[int, ...]) -> int:
    """Bytes that a chunk or shard of this shape may become."""
    return 2 * math.prod(shape) * int(array.dtype.itemsize) + _SLACK


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    waiting, count = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                found = entry.stat()  # reading a pipe would never end
                if stat.S_ISDIR(found.st_mode) and not entry.is_symlink():
                    waiting.append(Path(entry.path))
                elif not stat.S_ISREG(found.st_mode) or count > _MOST_FILES:
                    raise ValueError(f"{entry.name[:80]} is no file of pixels")
                else:
                    yield Path(entry.path), found.st_size


def check_of(array: Any) -> Callable[[bytes, int], None] | None:
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


def _parts(data: bytes, array: Any) -> Iterator[bytes]:
    """The chunks of a shard."""
    start, size = index_place(array, len(data))
    for offset, length in chunks_in_shard(array, data[start : start + size]):
        if length:
            yield data[offset : offset + length]


def index_place(array: Any, length: int) -> tuple[int, int]:
    """First byte and bytes of the index of a shard that has so many bytes (ValueError if it has none)."""
    about = array.metadata.to_dict()["codecs"]
    settings = about[0]["configuration"]
    kinds = [codec["name"] for codec in settings["index_codecs"]]
    inner = [codec["name"] for codec in settings["codecs"]]
    if len(about) > 1 or kinds not in (["bytes"], ["bytes", "crc32c"]) or "sharding_indexed" in inner:
        raise ValueError("shards whose index is compressed, or in shards")
    size = 16 * math.prod(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    tail = 4 * (len(kinds) - 1)
    start = 0 if settings.get("index_location") == "start" else length - size - tail
    if start < 0 or length < size + tail:
        raise ValueError("a shard that ends before its index")
    return start, size


def chunks_in_shard(array: Any, index: bytes) -> list[tuple[int, int]]:
    """First byte and bytes of each chunk of a shard, in their order; nothing of those that are left out."""
    settings = array.metadata.to_dict()["codecs"][0]["configuration"]
    order = ">" if settings["index_codecs"][0].get("configuration", {}).get("endian") == "big" else "<"
    places = np.frombuffer(index, f"{order}u8").reshape(-1, 2).tolist()
    return [(0, 0) if offset == _ABSENT else (offset, length) for offset, length in places]


def _too_large(limit: int) -> ValueError:
    return ValueError(f"a chunk that becomes larger than {limit:,} bytes")


def _inflated(start: Callable[[], Any]) -> Callable[[bytes, int], None]:
    """A check for Python's decompressors: several streams may follow each other."""

    def check(data: bytes, limit: int) -> None:
        made = 0
        while data:
            stream = start()
            while not stream.eof:
                part = stream.decompress(data, _AT_ONCE)
                made += len(part)
                if made > max(limit, _HARMLESS):
                    raise _too_large(limit)
                data = getattr(stream, "unconsumed_tail", b"")
                if not part and not data:
                    break
            data = stream.unused_data

    return check


def _deflated(bits: int) -> Callable[[bytes, int], None]:
    check = _inflated(lambda: zlib.decompressobj(bits))
    return lambda data, limit: check(data, limit) if len(data) * _DEFLATE > max(limit, _HARMLESS) else None


def _zstd(data: bytes, limit: int) -> None:
    try:
        imagecodecs.zstd_decode(data, out=bytearray(max(limit, _SLACK)))
    except RuntimeError as error:
        raise _too_large(limit) from error


def _stated(at: int) -> Callable[[bytes, int], None]:
    """A check for formats that state their size in four bytes, which the decoder believes."""

    def check(data: bytes, limit: int) -> None:
        if int.from_bytes(data[at : at + 4], "little") > max(limit, _HARMLESS):
            raise _too_large(limit)

    return check


_CHECKS: Final[dict[str, Callable[[bytes, int], None]]] = {
    "blosc": _stated(4),
    "zstd": _zstd,
    "zlib": _deflated(zlib.MAX_WBITS),
    "gzip": _deflated(16 + zlib.MAX_WBITS),
    "lz4": _stated(0),
    "bz2": _inflated(bz2.BZ2Decompressor),
    "lzma": _inflated(lambda: lzma.LZMADecompressor(memlimit=_WORKING)),
}
