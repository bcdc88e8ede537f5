"""How functions are compiled: parts into their callers, entries once and for all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

part = njit(nogil=True, error_model="numpy", forceinline=True)
"""A function that only other compiled functions call."""


@cache
def _version() -> str:
    """What changes with any file here: numba watches only the file of the function that it keeps."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for callers from Python, and keep the result where there is a place for it.

    numba tries the package's own folder and the user's cache; with neither, or where the package has no
    files, every process compiles for itself. Other threads run meanwhile.
    """
    try:
        function.__qualname__ = f"{function.__name__}_{_version()}"
        compiled: Callable[..., Any] = njit(nogil=True, error_model="numpy", cache=True)(function)
    except (OSError, RuntimeError):
        compiled = njit(nogil=True, error_model="numpy")(function)
    return compiled
