"""The header of an array that numpy wrote: type and shape, before anything is read.

Format: numpy.lib.format (NEP 1).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np

from napari_construct.exceptions import InputError

_LONGEST_HEADER: Final = 10_000
_LARGEST: Final = 2**48
_READERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""By version of the format; the third has names of fields, which no array of numbers has."""
_PLAIN: Final = frozenset("buifcUS")


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What the header of an array says.

    Attributes
    ----------
    shape : tuple of int
        Of the array; rows are along the first axis.
    dtype : numpy.dtype
        Numbers or text, never objects.
    start : int
        Bytes of the header.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    start: int

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def read_array_header(stream: IO[bytes] | io.BufferedIOBase, name: str) -> ArrayHeader:
    """The header of an array, read from its start.

    Parameters
    ----------
    stream : binary file
        At the first byte of the array.
    name : str
        What errors call the array.

    Raises
    ------
    InputError
        If it is no array of numpy, holds Python objects (which only pickle could load), is stored column by
        column, or claims an absurd size.
    """
    try:
        file: Any = stream
        version = np.lib.format.read_magic(file)
        read = _READERS[version]
        shape, by_columns, dtype = read(file, max_header_size=_LONGEST_HEADER)
    except (
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        EOFError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        detail = " ".join(str(error).split())[:150]
        raise InputError(
            f"{name}: expected an array of numpy, got something else or a damaged one ({detail}); save it "
            "with numpy.savez"
        ) from error
    if dtype.hasobject:
        raise InputError(
            f"{name}: expected an array of numbers, got Python objects, which are never loaded (they may run "
            "programs); save it as an array of one type"
        )
    if dtype.kind not in _PLAIN or dtype.subdtype is not None:
        raise InputError(f"{name}: expected an array of numbers, got {str(dtype)[:80]}; convert it")
    if any(n < 0 for n in shape) or math.prod(shape) * max(1, dtype.itemsize) > _LARGEST:
        raise InputError(
            f"{name}: expected an array of a possible size, got shape {str(shape)[:100]}; the file is damaged"
        )
    if by_columns and len(shape) > 1:
        raise InputError(
            f"{name}: expected an array stored row by row, got Fortran order; save "
            "numpy.ascontiguousarray of it"
        )
    return ArrayHeader(tuple(shape), dtype, stream.tell())
