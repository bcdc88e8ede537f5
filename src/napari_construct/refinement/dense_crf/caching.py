"""Functions that numba compiles once and keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

SHARED = tuple(
    f"{name}.py" for name in ("cells", "functions", "kernels", "llvm", "products", "rounded_cells", "vectors")
)
"""Compiled into others: numba watches the file of the function that it keeps, but not these."""


@cache
def _version() -> str:
    """What changes with the shared files."""
    sources = b"".join(Path(__file__).with_name(name).read_bytes() for name in SHARED)
    return hashlib.sha256(sources).hexdigest()[:12]


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for callers from Python, and keep the result where there is a place for it.

    numba tries the package's own folder and the user's cache; with neither, or where the package has no
    files, every process compiles for itself.
    """
    try:
        function.__qualname__ = f"{function.__name__}_{_version()}"
        compiled: Callable[..., Any] = njit(nogil=True, error_model="numpy", cache=True)(function)
    except (OSError, RuntimeError):
        compiled = njit(nogil=True, error_model="numpy")(function)
    return compiled
