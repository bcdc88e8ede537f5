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
with _torch_ahead.torch_loaded(), _torch_ahead.torch_loaded():
    import torch
print(float(torch.ones(3).sum()))
"""


def test_libraries_come_before_the_import_and_torch_works() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3.0"
