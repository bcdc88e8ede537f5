"""Where numba is installed, its compiled kernels make the features of colours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import LANES, flat, load


def runs_compiled(
    colours: Float[Tensor, "b n 3"], weights: Float[Tensor, "b m r1"], dtype: torch.dtype
) -> bool:
    """Whether the kernels serve colours of these types."""
    return (
        len(colours) == 1
        and colours.device.type == "cpu"
        and colours.dtype == torch.float32
        and dtype in {torch.float32, torch.bfloat16}
        and weights.shape[2] % LANES == 0
        and load("fitting") is not None
    )


def filler(
    colours: Float[Tensor, "1 n 3"],
    landmarks: Float[Tensor, "1 m 3"],
    weights: Float[Tensor, "1 m r1"],
    features: Tensor,
    missing: Float[Tensor, "1 n"],
    size: int,
) -> Callable[[int], None]:
    """Return a function that fills features (1, n, r1), and 1 - |phi|^2, of ``size`` colours from one on.

    Colours and landmarks are in standard deviations of the kernel.
    """
    fitting = load("fitting")
    m = landmarks.shape[1]
    table = landmarks.new_zeros(3, -(-m // LANES) * LANES)
    table[:, :m] = landmarks[0].T
    given = flat(table), flat(weights)

    def fill(start: int) -> None:
        part = slice(start, start + size)
        kept = flat(features[:, part]), flat(missing[:, part])
        fitting.features(flat(colours[:, part]), *given, *kept, weights.shape[2])

    return fill
