"""The mean field with exact Gaussian kernels, by brute force in chunks."""

from __future__ import annotations

from collections.abc import Generator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.inputs import unary_energy
from napari_construct.crf.base.params import CRFParameters
from napari_construct.exceptions import InputError

MAX_PIXELS = 512 * 512
"""Above this an image takes hours on a CPU; asking for it is taken to be a mistake."""

CHUNK_ENTRIES = 1 << 24
"""Kernel entries held at a time (64 MiB in float32, a few temporaries of that size)."""


def exact_mean_field(
    image: UInt8[Tensor, "b h w 3"], probabilities: Float[Tensor, "b k h w"], parameters: CRFParameters
) -> Generator[bool, None, Float[Tensor, "b k h w"]]:
    """Run the mean field with every pair of pixels; quadratic in their number.

    Sums are in the type of ``probabilities`` (float64 is welcome in tests). Yields after every
    iteration of every image.
    """
    h, w = image.shape[1:3]
    if h * w > MAX_PIXELS:
        raise InputError(
            f"expected at most {MAX_PIXELS} pixels for the exact backend, got {h} x {w}; use 'lowrank'"
        )
    done: list[Tensor] = []
    for pixels, q in zip(image, probabilities, strict=True):
        done.append((yield from _one_image(pixels, q, parameters)))
    return torch.stack(done)


def _one_image(
    image: UInt8[Tensor, "h w 3"], probabilities: Float[Tensor, "k h w"], parameters: CRFParameters
) -> Generator[bool, None, Float[Tensor, "k h w"]]:
    k, h, w = probabilities.shape
    unary = unary_energy(probabilities[None])[0].reshape(k, h * w).T
    features = _features(image, parameters, probabilities.dtype)
    weights = (parameters.smoothness_weight, parameters.appearance_weight)
    kernels = [(f, weight) for f, weight in zip(features, weights, strict=True) if weight > 0]
    scales = [_kernel_times(f, torch.ones_like(unary[:, :1])).rsqrt() for f, _ in kernels]
    q = torch.softmax(-unary, 1)
    for _ in range(parameters.iterations):
        logits = -unary
        for (f, weight), scale in zip(kernels, scales, strict=True):
            logits = logits + weight * scale * _kernel_times(f, scale * q)
        q = torch.softmax(logits, 1)
        yield True
    return q.T.reshape(k, h, w)


def _features(
    image: UInt8[Tensor, "h w 3"], parameters: CRFParameters, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Positions (n, 2) and positions with colours (n, 5), each divided by its standard deviation."""
    h, w = image.shape[:2]
    rows, columns = torch.meshgrid(
        torch.arange(h, device=image.device), torch.arange(w, device=image.device), indexing="ij"
    )
    position = torch.stack([rows, columns], -1).reshape(-1, 2).to(dtype)
    colour = image.reshape(-1, 3).to(dtype) / parameters.appearance_sigma_rgb
    appearance = torch.cat([position / parameters.appearance_sigma_xy, colour], 1)
    return position / parameters.smoothness_sigma, appearance


def _kernel_times(features: Float[Tensor, "n d"], values: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Sum over j of exp(-|f_i - f_j|^2 / 2) v_j, a chunk of rows at a time."""
    n = len(features)
    rows = max(1, CHUNK_ENTRIES // n)
    # distances by differences, not by the expanded square, which loses digits for close pairs
    mode = "donot_use_mm_for_euclid_dist"
    parts = [
        torch.cdist(chunk, features, compute_mode=mode).square().mul(-0.5).exp() @ values
        for chunk in torch.split(features, rows)
    ]
    return torch.cat(parts)
