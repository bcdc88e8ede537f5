"""Large arrays of numbers that are about to be written for the first time."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor

_ALIGNMENT: Final = 64
"""Bytes of a line of the processor's cache."""


def large_empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """As ``torch.empty``; for processors in memory of numpy, which asks the system for large pages.

    The first write to a page of 4 kB costs as much as to write the whole page several times.
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return torch.from_numpy(memory[start : start + size]).view(dtype).view(shape)
