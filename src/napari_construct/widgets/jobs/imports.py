"""Loads torch in a worker's thread without stopping the GUI thread.

An import holds the interpreter's lock while the dynamic loader maps a library and runs its constructors: for
torch about a quarter of a second. Here the loader is called as a foreign function, which lets go of the lock;
the import then finds the libraries in place. Only those without Python inside are loaded ahead.

The loader has a lock too, for as long as a library takes (libtorch_cpu: 0.2 s), and a function that is called
for the first time may wait for it. So whatever has just been opened is drawn first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from napari_construct.widgets.jobs.libraries import open_library
from napari_construct.widgets.jobs.triton_ahead import guard_triton

DRAWN_SECONDS: Final = 0.4
"""After which a new widget has been drawn."""

_LOCK: Final = threading.RLock()
_LIBRARIES: Final = {
    "linux": ("libtorch_global_deps.so", "libtorch.so"),
    "darwin": ("libtorch_global_deps.dylib", "libtorch.dylib"),
}
"""In the order in which torch loads them; on Windows torch does more, and it is left to it."""

_CUDA: Final = "nvidia/*/lib/libcusolver.so.*"
"""What torch's own libraries do not ask for, but its import does, with what it needs itself."""


@contextmanager
def torch_loaded() -> Iterator[None]:
    """Import torch, with its libraries ahead, unless it is loaded already; then what is imported inside.

    One thread at a time: of modules that import each other, two threads may be given halves.
    """
    guard_triton()
    with _LOCK:
        if "torch" not in sys.modules:
            time.sleep(DRAWN_SECONDS)
            _load_libraries()
            import torch  # noqa: F401 - this is the purpose
        yield


def _load_libraries() -> None:
    """Ask the dynamic loader for torch's libraries; one that is missing is left to torch's own error."""
    spec = find_spec("torch")
    names = _LIBRARIES.get(sys.platform)
    if spec is None or not spec.submodule_search_locations or names is None:
        return
    torch = Path(spec.submodule_search_locations[0])
    for name in names:
        path = torch / "lib" / name
        shared = os.RTLD_GLOBAL if "global" in name else os.RTLD_LOCAL
        if path.is_file():
            open_library(path, os.RTLD_LAZY | shared)
    for path in torch.parent.glob(_CUDA):
        open_library(path, os.RTLD_LAZY)
