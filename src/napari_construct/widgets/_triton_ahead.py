"""Loads triton beside Mesa without a crash.

Making an optimiser imports torch's compiler, and that imports triton, whose library has LLVM inside. Where
napari draws with Mesa (software rendering, AMD cards on Linux) a libLLVM of another version is in the process
already, its symbols are found first, and the process ends in a segmentation fault. Loaded so that it prefers
its own symbols, triton works. Training in a dock widget goes through here; the command line has no Mesa.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path


def load_triton() -> None:
    """Import triton, where it is there and Mesa's LLVM is, too."""
    if "triton" in sys.modules or find_spec("triton") is None or not _llvm_is_loaded():
        return
    before = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
    try:
        import triton  # type: ignore[import-untyped, unused-ignore]  # noqa: F401 - this is the purpose
    finally:
        sys.setdlopenflags(before)


def _llvm_is_loaded() -> bool:
    """Whether this process, on Linux with glibc, has a shared LLVM."""
    if not sys.platform.startswith("linux") or not hasattr(os, "RTLD_DEEPBIND"):
        return False
    return "libLLVM" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
