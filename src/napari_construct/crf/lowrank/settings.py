"""How exact the low-rank operator is: settings of each accuracy, for a size and a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from napari_construct.crf.base.numba_gate import kernels_serve
from napari_construct.crf.lowrank.colours import NARROW_SIGMA
from napari_construct.exceptions import ConfigurationError

FINE_PIXELS, MEDIUM_PIXELS = 200 * 200, 320 * 320
"""Images up to these sizes are refined with the fine and the medium settings under ``accuracy="auto"``."""

NARROW_BYTES = 1 << 31
"""Of the features of an image, up to which narrow colours get more of them."""


@dataclass(frozen=True, slots=True)
class LowRankSettings:
    """Accuracy settings of the low-rank operator.

    Attributes
    ----------
    spacing : float
        Side of a cell in standard deviations of the narrower kernel.
    degree : int
        Of the splines.
    tolerance : float
        Relative Frobenius norm of the colour kernel that the rank may leave out.
    max_rank : int
        Most colour features; kernels of narrow colours get twice as many (:func:`rank_limit`).
    dtype : torch.dtype
        Of the features and products; sums are float32 always.
    """

    spacing: float
    degree: int
    tolerance: float
    max_rank: int
    dtype: torch.dtype


def accuracy_of(accuracy: str, pixels: int) -> str:
    """The accuracy, with ``auto`` resolved for an image of so many pixels."""
    if accuracy not in {"auto", "fine", "medium", "fast"}:
        raise ConfigurationError(f"expected an accuracy of auto, fine, medium or fast, got {accuracy!r}")
    if accuracy != "auto":
        return accuracy
    return "fine" if pixels <= FINE_PIXELS else "medium" if pixels <= MEDIUM_PIXELS else "fast"


def settings_for(accuracy: str, pixels: int, device: torch.device) -> LowRankSettings:
    """Settings of an accuracy, for a size and a device."""
    quick = torch.bfloat16 if _fast_bfloat16(device) else torch.float32
    # torch rounds more often than compiled kernels: the same error asks for finer splines and more features
    compiled = kernels_serve(device)
    return {
        "fine": LowRankSettings(0.5, 2, 0.0015, 191, torch.float32),
        "medium": LowRankSettings(0.5, 1, 0.008, 79, quick)
        if compiled
        else LowRankSettings(0.4, 1, 0.008, 95, quick),
        "fast": LowRankSettings(0.6, 1, 0.015, 63, quick),
    }[accuracy_of(accuracy, pixels)]


def rank_limit(settings: LowRankSettings, sigma: float, pixels: int) -> int:
    """Most features of a colour kernel; twice as many for narrow ones, if memory allows."""
    doubled = 2 * settings.max_rank + 1
    fits = doubled * settings.dtype.itemsize * pixels <= NARROW_BYTES
    return doubled if sigma < NARROW_SIGMA and fits else settings.max_rank


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively; elsewhere it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
