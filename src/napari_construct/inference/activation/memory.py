"""Limits on memory, checked before allocation."""

from __future__ import annotations

import os
from typing import Final

from napari_construct.exceptions import InputError

LARGEST_RESULT: Final = 16 * 2**30
"""Bytes a result and the arrays on the way to it may take, however large the machine."""


def check_result_size(shape: tuple[int, int], n_classes: int, name: str) -> None:
    """Refuse an image whose maps would not fit into memory.

    Held at once are four maps per class (logits, CAMs, probabilities, refined) and six more, all
    float32 and of the image's size.

    Raises
    ------
    InputError
        If that is more than half of the machine's memory, or than ``LARGEST_RESULT``.
    """
    needed = 4 * (4 * n_classes + 6) * shape[0] * shape[1]
    limit = min(LARGEST_RESULT, physical_memory() // 2)
    if needed > limit:
        largest = int((limit / (4 * (4 * n_classes + 6))) ** 0.5) // 100 * 100
        raise InputError(
            f"{name}: expected an image whose result fits into {limit / 2**30:.1f} GiB, got {shape[0]} x "
            f"{shape[1]} pixels and {n_classes} classes ({needed / 2**30:.1f} GiB); cut out a region of at "
            f"most {largest} x {largest} pixels"
        )


def physical_memory() -> int:
    """Bytes of memory of this machine; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 * 2**30
