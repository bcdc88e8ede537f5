"""The dynamic loader, called without the interpreter's lock: other threads run while it works."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def open_library(path: Path, flags: int) -> None:
    """Load a shared library, not on Windows; one that does not load is left to the error of whoever needs it.

    Nothing that runs when it is loaded may call Python. ``flags`` are those of ``os.RTLD_...``.
    """
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    load(os.fsencode(path), flags)
