"""Limits on memory, checked before allocation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError

LARGEST_RESULT: Final = 16 * 2**30
"""Bytes a segmentation may take, however large the machine."""

_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")

_PROGRAM: Final = 2**30
"""Bytes of the libraries, the model, and the features of a batch of tiles on a CPU."""

_HELD: Final = 7
"""Bytes per pixel beside the maps: the image as its file gives it and as RGB, and where it has data."""

_RESAMPLED: Final = 6
"""Bytes per pixel at the model's resolution: RGB, and a second copy while it is resampled or padded."""


_REFINING: Final = 300
_REFINED_AT_ONCE: Final = 2300**2
"""Bytes per pixel of the dense CRF, and the pixels of its largest tile with what surrounds it; measured on
noise, which has more colours than any tissue. Tissue takes a third."""


def needed_bytes(
    shape: tuple[int, int], n_classes: int, model_shape: tuple[int, int] | None = None, *, grid: float = 0.0
) -> int:
    """Bytes that a process holds at most while it segments an image and writes the result.

    Deciding needs four maps per class (logits, CAMs, probabilities, refined) and six more at once, all
    float32 and of the image's size, and what the dense CRF works with. Before that, the image is held at the
    model's resolution, with the network's maps on their own grid. ``benchmarks/segment_memory.py`` compares
    this with what is used.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    n_classes : int
        Maps in the result.
    model_shape : tuple of int, optional
        Rows and columns at the model's resolution, where they are others.
    grid : float
        Bytes of the network's maps per pixel at the model's resolution.
    """
    pixels = shape[0] * shape[1]
    deciding = 4 * (4 * n_classes + 6) * pixels + _refining(pixels)
    seen = model_shape or shape
    copy = 0 if seen == shape else _RESAMPLED
    looking = round((copy + grid) * seen[0] * seen[1])
    return _PROGRAM + _HELD * pixels + max(deciding, looking)


def _refining(pixels: int) -> int:
    return _REFINING * min(pixels, _REFINED_AT_ONCE)


def check_result_size(
    shape: tuple[int, int],
    n_classes: int,
    name: str,
    model_shape: tuple[int, int] | None = None,
    *,
    grid: float = 0.0,
) -> None:
    """Refuse an image that could not be segmented in the memory of this machine.

    Raises
    ------
    InputError
        If :func:`needed_bytes` are more than three quarters of the machine's memory, or than
        ``LARGEST_RESULT``.
    """
    needed, memory = needed_bytes(shape, n_classes, model_shape, grid=grid), physical_memory()
    # small images go on small machines, where the program alone takes half of the memory
    limit = min(LARGEST_RESULT, max(memory * 3 // 4, min(memory, _PROGRAM + _PROGRAM // 2)))
    if needed <= limit:
        return
    fixed = _PROGRAM + _refining(shape[0] * shape[1])
    share = max(limit - fixed, 0) / (needed - fixed)
    rows, columns = (max(int(side * share**0.5) // 100 * 100, 100) for side in shape)
    other = model_shape is not None and model_shape != shape
    seen = " ({} x {} for the model)".format(*(model_shape or shape)) if other else ""
    raise InputError(
        f"{name}: expected an image whose segmentation fits into {limit / 2**30:.1f} GiB, got {shape[0]} x "
        f"{shape[1]} pixels{seen} and {n_classes} classes, which take {needed / 2**30:.1f} GiB; cut out a "
        f"region of at most {rows} x {columns} pixels"
    )


def physical_memory() -> int:
    """Bytes of memory of this machine or container; 8 GiB where the system does not say."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        whole = 8 * 2**30
    try:
        return min(whole, int(_CONTAINER.read_text()))
    except (ValueError, OSError):  # "max", or no container
        return whole
