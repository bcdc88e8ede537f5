"""Triton beside the LLVM of a viewer that draws with Mesa: a process of its own, which may crash."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

NO_LLVM = 77

BESIDE_A_VIEWER = f"""
import sys
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_construct.widgets.jobs.imports import importing
from napari_construct.widgets.jobs.triton_first import llvm_is_loaded

viewer = napari.Viewer()
viewer.add_image(np.zeros((8, 8)))
for _ in range(20):
    QApplication.processEvents()  # the first frame loads what draws it
if not llvm_is_loaded():
    sys.exit({NO_LLVM})
flags = sys.getdlopenflags()
with importing():
    import torch
    import torchvision
assert sys.getdlopenflags() == flags
weight = torch.nn.Parameter(torch.ones(1))
optimiser = torch.optim.AdamW([weight], lr=0.5, weight_decay=0)
weight.sum().backward()
optimiser.step()
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
    code = [sys.executable, "-X", "faulthandler", "-c", BESIDE_A_VIEWER]
    done = subprocess.run(code, check=False, capture_output=True, text=True, timeout=240)
    if done.returncode == NO_LLVM:
        pytest.skip("this display is not drawn by a Mesa with a shared LLVM, so there is nothing to crash")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "trained: 0.5" in done.stdout


def test_without_triton_nothing_is_missing() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "from napari_construct.widgets.jobs.triton_first import import_triton\n"
        "flags = sys.getdlopenflags(); import_triton(); print(sys.getdlopenflags() == flags)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True"
