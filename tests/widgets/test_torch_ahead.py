"""Torch is loaded in a thread, and the lock of the interpreter is free while its libraries are."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from napari_construct.widgets import _torch_ahead
assert "torch" not in sys.modules
_torch_ahead._load_libraries()
loaded = open("/proc/self/maps").read() if sys.platform == "linux" else "libtorch_cpu"
assert "libtorch_cpu" in loaded
assert "torch" not in sys.modules
_torch_ahead.load_torch()
_torch_ahead.load_torch()
import torch
print(float(torch.ones(3).sum()))
"""


def test_libraries_come_before_the_import_and_torch_works() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3.0"


AGES = """
import gc, sys
from napari_construct.widgets import _torch_ahead
gc.collect()
full, kept = [], []
gc.callbacks.append(lambda phase, info: full.append(info) if info["generation"] == 2 else None)
before = len(gc.get_objects())
_torch_ahead.load_torch()
assert len(gc.get_objects()) > 2 * before
for _ in range(20):
    kept += [[i] for i in range(before // 200)]  # a tenth more, as work makes them: nothing is due
assert gc.isenabled()
assert not gc.get_freeze_count()
print(len(full))
kept += [[i] for i in range(300_000)]
print(len(full) > 0)
"""


def test_no_full_collection_is_due_because_torch_was_imported() -> None:
    """It would look through all of it, in one piece, for nothing; what else is made is collected as ever."""
    done = subprocess.run([sys.executable, "-c", AGES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "True"]
