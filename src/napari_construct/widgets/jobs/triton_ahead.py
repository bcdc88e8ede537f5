"""Lets triton be imported beside Mesa without a crash.

Triton's library has LLVM inside. It is imported by torch's compiler, and that by the first optimiser and by
torchvision, which encoders need. Where napari draws with Mesa (software rendering, AMD cards on Linux) a
libLLVM of another version is in the process already, its symbols are found first, and the process ends in a
segmentation fault. Loaded so that it prefers its own symbols, triton works. The import itself is left to
whoever needs it; the command line has no Mesa.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from napari_construct.widgets.jobs.libraries import open_library

LIBRARY: Final = "triton._C.libtriton"


def guard_triton() -> None:
    """From now on triton's library prefers its own symbols, if it is imported while Mesa's LLVM is there."""
    if hasattr(os, "RTLD_DEEPBIND") and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the library where it lies, to be loaded in another way."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == LIBRARY else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        before = sys.getdlopenflags()
        flags = os.RTLD_NOW | os.RTLD_DEEPBIND if _llvm_is_loaded() else before
        if spec.origin is not None:
            open_library(Path(spec.origin), flags)  # a tenth of a second in which nothing waits
        sys.setdlopenflags(flags)
        try:
            return self._loader.create_module(spec)
        finally:
            sys.setdlopenflags(before)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)


def _llvm_is_loaded() -> bool:
    """Whether this process has a shared LLVM."""
    return "libLLVM" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
