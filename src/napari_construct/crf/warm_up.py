"""Compile kernels before the work, with a notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_construct.crf.base.numba_gate import kernels_serve
from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import COMPILING
from napari_construct.crf.factorisation import Factorisation
from napari_construct.crf.lowrank.settings import accuracy_of
from napari_construct.events import Event, Steps

SIDE = 32


def compile_steps(pixels: int, device: torch.device) -> Steps[None]:
    """Compile what an image of so many pixels needs, unless numba has it from an earlier process.

    It takes about 20 s, once after an installation, or once a session where numba has no place to keep it.
    """
    if accuracy_of("auto", pixels) == "fine":
        return
    if not kernels_serve(device):
        return
    from napari_construct.crf.kernels.meanfield_kernels import step

    if _is_there(step):
        return
    often = "after an installation" if step.stats.cache_path else "a session"
    stage = f"{COMPILING}, once {often}"
    yield Event(stage, 0, 1)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    narrow = CRFParameters(appearance_sigma_xy=1.0)
    for parameters in (CRFParameters(), narrow):
        Factorisation(image, parameters, accuracy="fast").refine(np.full((2, SIDE, SIDE), 0.5, np.float32))
    yield Event(stage, 1, 1)


def _is_there(function: Any) -> bool:
    """Whether a function is compiled, in this process or in a file that was kept."""
    if function.signatures:  # without a look at the folder, at each move of a slider
        return True
    folder = function.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"*.{function.py_func.__qualname__}-*.nbi"))
