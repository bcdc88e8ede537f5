"""Imports triton beside Mesa without a crash.

Triton's library has LLVM inside. It is imported by torch's compiler, and that by the first optimiser and by
torchvision, which encoders need. Where napari draws with Mesa (software rendering, AMD cards on Linux) a
libLLVM of another version is in the process already, its symbols are found first, and the process ends in a
segmentation fault. Loaded so that it prefers its own symbols, triton works. So it is imported before torch;
the command line has no Mesa and leaves it to torch.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def import_triton() -> None:
    """Import triton, where it is installed, with its own symbols first where Mesa's LLVM is there."""
    if not hasattr(os, "RTLD_DEEPBIND"):  # only with glibc, and only there triton is met beside Mesa
        return
    before = sys.getdlopenflags()
    if llvm_is_loaded():
        sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
    try:
        with suppress(ImportError):
            import triton  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
    finally:
        sys.setdlopenflags(before)


def llvm_is_loaded() -> bool:
    """Whether this process has a shared LLVM."""
    return "libLLVM" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
