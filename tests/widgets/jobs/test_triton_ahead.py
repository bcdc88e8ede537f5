"""Triton beside the LLVM of a viewer that draws with Mesa: a process of its own, which may crash."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from napari_construct.widgets.jobs import triton_ahead as _triton_ahead
from napari_construct.widgets.jobs.triton_ahead import guard_triton

NO_LLVM = 77

TRAIN_BESIDE_A_VIEWER = f"""
import sys
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_construct.widgets import _triton_ahead
from napari_construct.widgets.jobs.imports import torch_loaded

viewer = napari.Viewer()
viewer.add_image(np.zeros((8, 8)))
for _ in range(20):
    QApplication.processEvents()  # the first frame loads what draws it
if not _triton_ahead._llvm_is_loaded():
    sys.exit({NO_LLVM})
with torch_loaded():
    pass
flags = sys.getdlopenflags()
assert "triton" not in sys.modules
import torch
import torchvision
weight = torch.nn.Parameter(torch.ones(1))
optimiser = torch.optim.AdamW([weight], lr=0.5, weight_decay=0)
weight.sum().backward()
optimiser.step()
assert sys.getdlopenflags() == flags
from triton._C.libtriton import ir
ir.context()  # LLVM at work
viewer.close()
print("trained:", weight.item())
"""


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.skipif(find_spec("triton") is None, reason="triton, which crashes beside Mesa, is not installed")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Mesa's LLVM is met on Linux only")
def test_training_and_torchvision_beside_a_viewer_that_mesa_draws() -> None:
    pytest.importorskip("napari")
    code = [sys.executable, "-X", "faulthandler", "-c", TRAIN_BESIDE_A_VIEWER]
    done = subprocess.run(code, check=False, capture_output=True, text=True, timeout=240)
    if done.returncode == NO_LLVM:
        pytest.skip("this display is not drawn by a Mesa with a shared LLVM, so there is nothing to crash")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "trained: 0.5" in done.stdout


def test_the_guard_is_there_once_and_for_the_library_alone() -> None:
    guard_triton()
    guard_triton()
    (finder,) = [f for f in sys.meta_path if isinstance(f, _triton_ahead._Finder)]
    assert finder.find_spec("json", None) is None
    assert finder.find_spec("triton", None) is None
