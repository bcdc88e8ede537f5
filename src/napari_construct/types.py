"""Array aliases shared by every room, and how objects that hold arrays are printed.

Dimension letters are the same everywhere: b batch, k classes, c channels,
n tokens, h rows, w columns.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike as _PathLike
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

PathLike: TypeAlias = str | _PathLike[str]

RGBImage: TypeAlias = npt.NDArray[np.uint8]
"""An image as people hold it: (h, w, 3) uint8 RGB, 0 to 255."""

LabelImage: TypeAlias = npt.NDArray[np.uint8]
"""(h, w) uint8; 0 is unlabelled or background, ``i + 1`` is the i-th class of the class table."""

ByteStream: TypeAlias = IO[bytes] | io.BytesIO
"""An open file, or one in memory."""

BoolMask: TypeAlias = npt.NDArray[np.bool_]
"""(h, w) bool."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""A float32 array; the docstring that uses it gives axes and range."""


class ShortRepr:
    """Base of dataclasses (``repr=False``) that hold arrays: they are printed by type and shape."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = fields(self)  # type: ignore[arg-type]
        parts = (f"{field.name}={_short(getattr(self, field.name))}" for field in shown if field.repr)
        return f"{type(self).__name__}({', '.join(parts)})"


def _short(value: Any, longest: int = 60) -> str:
    """An array as ``uint8 (h, w)``, a long text or collection by its size."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, Mapping) and value:
        return f"{{{len(value)} entries}}"
    if isinstance(value, tuple | list) and any(hasattr(item, "shape") for item in value):
        return f"({len(value)} arrays)"
    text = repr(value)
    if len(text) <= longest:
        return text
    return f"({len(value)} items)" if isinstance(value, tuple | list) else f"{text[: longest - 3]}..."
