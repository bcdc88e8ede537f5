"""Check and convert inputs; return results in the caller's form."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.result import CRFResult
from napari_construct.exceptions import InputError

ArrayLike = npt.NDArray[Any] | Tensor
MIN_PROBABILITY = 1e-5
"""Probabilities are clipped here before the logarithm, so that no label is impossible."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Image (b, h, w, 3) uint8 and probabilities (b, k, h, w) float32 on one device."""

    image: UInt8[Tensor, "b h w 3"]
    probabilities: Float[Tensor, "b k h w"]
    batched: bool
    as_numpy: bool


def check_image(image: ArrayLike) -> tuple[UInt8[Tensor, "b h w 3"], bool]:
    """Return the image as a batch, and whether it was one."""
    tensor = _tensor(image, "image")
    if tensor.dtype != torch.uint8:
        raise InputError(
            f"expected an image of dtype uint8, got {tensor.dtype}; scale it to 0-255 and convert it to uint8"
        )
    if tensor.ndim not in {3, 4} or tensor.shape[-1] != 3:
        raise InputError(
            f"expected an RGB image of shape (h, w, 3) or (b, h, w, 3), got {tuple(tensor.shape)}; "
            "drop an alpha channel or repeat a grey one"
        )
    if tensor.numel() == 0:
        raise InputError(f"expected an image with pixels, got shape {tuple(tensor.shape)}; check the crop")
    batched = tensor.ndim == 4
    return (tensor if batched else tensor[None]).contiguous(), batched


def check_probabilities(probabilities: ArrayLike) -> Float[Tensor, "b k h w"]:
    """Return the probabilities as a float32 batch; finite, in [0, 1], with a sum of one over k."""
    tensor = _tensor(probabilities, "probabilities")
    if not tensor.is_floating_point() or tensor.ndim not in {3, 4} or tensor.numel() == 0:
        raise InputError(
            "expected probabilities of shape (k, h, w) or (b, k, h, w) and a floating type, "
            f"got {tuple(tensor.shape)} {tensor.dtype}; apply a softmax to the model's logits"
        )
    tensor = (tensor if tensor.ndim == 4 else tensor[None]).to(torch.float32)
    with torch.no_grad():
        low = float(tensor.min())
        least, most = (float(v) for v in torch.aminmax(tensor.sum(1)))
        if not (isfinite(least) and isfinite(most)):
            raise InputError("expected finite probabilities, got NaN or infinity; check the model's output")
        off = max(1 - least, most - 1)
    if low < -1e-6 or off > 1e-2:
        raise InputError(
            f"expected probabilities that sum to one over the labels, got values from {low:.4g} and a sum "
            f"that is off by {off:.4g}; apply a softmax to the model's logits"
        )
    return tensor.contiguous()


def check(image: ArrayLike, probabilities: ArrayLike, device: torch.device | str | None = None) -> Inputs:
    """Check a pair and bring it to one device (default: where the probabilities are)."""
    pixels, batched = check_image(image)
    unary = check_probabilities(probabilities)
    given = probabilities.ndim == 4
    if given != batched or pixels.shape[:3] != (unary.shape[0], *unary.shape[2:]):
        raise InputError(
            "expected image and probabilities of one size, got "
            f"{tuple(image.shape)} and {tuple(probabilities.shape)}; resize one to the other"
        )
    where = torch.device(device) if device is not None else unary.device
    return Inputs(pixels.to(where), unary.to(where), batched, not isinstance(probabilities, Tensor))


def unary_energy(probabilities: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """-log of the clipped probabilities."""
    return probabilities.clamp(MIN_PROBABILITY, 1.0).log_().neg_()


def result(
    refined: Float[Tensor, "b k h w"],
    backend: str,
    *,
    batched: bool,
    as_numpy: bool,
    labels: Tensor | None = None,
    rank: int | None = None,
    error_bound: float | None = None,
) -> CRFResult[Any]:
    """Give refined probabilities and labels back in the form of the input."""
    k = refined.shape[1]
    if labels is None:
        labels = refined.detach().argmax(1).to(torch.uint8 if k <= 256 else torch.uint16)
    if not batched:
        refined, labels = refined[0], labels[0]
    if as_numpy:
        return CRFResult(refined.detach().cpu().numpy(), labels.cpu().numpy(), backend, rank, error_bound)
    return CRFResult(refined, labels, backend, rank, error_bound)


def _tensor(value: ArrayLike, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, np.ndarray):
        raise InputError(
            f"expected {name} as a numpy array or a tensor, got {type(value).__name__}; convert it"
        )
    if value.dtype.kind not in "fiub":
        raise InputError(f"expected {name} of numbers, got dtype {value.dtype}; convert it")
    if value.dtype == np.uint16 or not value.dtype.isnative:
        value = value.astype(np.int32 if value.dtype.kind in "iu" else np.float64)
    if value.dtype in {np.dtype(np.longdouble), np.dtype(np.float16)}:
        value = value.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(value) if value.flags.writeable else value.copy())
