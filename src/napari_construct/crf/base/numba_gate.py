"""Choice of the compiled kernels, and arrays in their form.

numba is an extra. Without it (or with the environment variable ``NUMBA_DISABLE_JIT=1``), on accelerators, for
batches on one lattice and for quadratic splines torch does the work; which of the two it is depends on
nothing else, so that the same call always gives the same numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

Flat = npt.NDArray[Any]
"""Numbers in one row, as the kernels take them."""

LANES = 8
"""Numbers in a vector; rows of numbers are as long as a multiple of this."""


@lru_cache(maxsize=1)
def numba_works() -> bool:
    """False where numba is missing, does not load, does not fit the other packages, or is turned off."""
    try:
        import numba
    except (ImportError, OSError):  # the latter of llvmlite's library
        return False
    return not numba.config.DISABLE_JIT


def kernels_serve(device: torch.device, images: int = 1) -> bool:
    """Whether compiled kernels may work on so many images at a time: on one, on a processor."""
    return device.type == "cpu" and images == 1 and numba_works()


def flat(tensor: Tensor) -> Flat:
    """A contiguous tensor's own numbers; bfloat16 as the uint16 of its bits."""
    numbers = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    return numbers.view(-1).numpy()


def rounded(n: int) -> int:
    """A length that is a multiple of eight."""
    return -(-n // LANES) * LANES
