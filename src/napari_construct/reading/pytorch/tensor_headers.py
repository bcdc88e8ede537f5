"""The header of a safetensors file, checked before its tensors take memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final, NamedTuple

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.texts.json import parse_json

LARGEST_HEADER: Final = 4 * 2**20
MOST_TENSORS: Final = 20_000
MOST_DIMENSIONS: Final = 16
"""Bounds of the header: bytes, tensors, dimensions of one. ViT-g/14 has 500 tensors and 60 kB."""

_BYTES: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip


class Described(NamedTuple):
    """Type and shape of a tensor that was not read yet."""

    dtype: str
    shape: tuple[int, ...]


def read_header(read: Callable[[int], bytes], size: int) -> dict[str, Described]:
    """Types and shapes of the tensors of a safetensors file.

    Parameters
    ----------
    read : callable
        Reads so many bytes, from the first byte of the file on.
    size : int
        Bytes of the file. The tensors must fill what follows the header, without gaps and overlaps.

    Raises
    ------
    ValueError
        If the header is damaged, out of bounds, or contradicts the size; the message has no file name.
    """
    start = read(8)
    length = int.from_bytes(start, "little")
    if len(start) != 8 or length > min(LARGEST_HEADER, size - 8):
        raise ValueError(f"a header of {length} bytes in a file of {size}")
    text = read(length)
    if text.count(b"{") > MOST_TENSORS + 1:  # counted before it takes memory
        raise ValueError(f"more than {MOST_TENSORS} tensors")
    try:
        header = parse_json(text, "its header")
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    if not isinstance(header, dict):
        raise ValueError("a header that is no table")  # noqa: TRY004 - of a file, not of an argument
    header.pop("__metadata__", None)
    found = {str(name): _described(str(name), value) for name, value in header.items()}
    filled = 0
    for begin, end in sorted((begin, end) for _, begin, end in found.values() if begin != end):
        if begin != filled:
            raise ValueError("tensors that overlap, or with gaps between them")
        filled = end
    if filled != size - 8 - length:
        raise ValueError("tensors that do not fill the file")
    return {name: tensor for name, (tensor, _, _) in found.items()}


def _described(name: str, value: Any) -> tuple[Described, int, int]:
    fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
    dtype: Any = fields.get("dtype")
    shape: Any = fields.get("shape")
    place: Any = fields.get("data_offsets")
    known = isinstance(dtype, str) and dtype in _BYTES
    sound = known and _naturals(shape, MOST_DIMENSIONS) and _naturals(place, 2) and len(place) == 2
    if not sound or place[1] - place[0] != prod(shape) * _BYTES[dtype]:
        raise ValueError(f"tensor {name[:80]!r} of unknown type, shape or place")
    return Described(dtype, tuple(shape)), place[0], place[1]


def _naturals(values: Any, most: int) -> bool:
    short = isinstance(values, list) and len(values) <= most
    return short and all(type(n) is int and 0 <= n < 2**48 for n in values)
