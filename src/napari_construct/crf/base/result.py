"""Result of a dense CRF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch

Array = TypeVar("Array", npt.NDArray[np.generic], torch.Tensor)


@dataclass(frozen=True, slots=True)
class CRFResult(Generic[Array]):
    """Refined probabilities and labels; arrays or tensors, as the input was.

    Attributes
    ----------
    probabilities : array or tensor
        (k, h, w) or (b, k, h, w) float32, as given; sums to one over k.
    labels : array or tensor
        (h, w) or (b, h, w), index of the largest probability: uint8 up to 256 labels, uint16 above.
    backend : str
        The backend that ran: ``"lowrank"``, ``"exact"`` or ``"pydensecrf"``.
    rank : int or None
        Number of colour features of the low-rank backend.
    error_bound : float or None
        Low-rank backend: relative Frobenius norm of the part of the colour kernel (weighted by the
        image's histogram) that the rank leaves out, the largest of a batch. 0 for the exact backend,
        None where unknown.
    """

    probabilities: Array
    labels: Array
    backend: str
    rank: int | None = None
    error_bound: float | None = None

    def __repr__(self) -> str:
        return f"CRFResult({self.backend}, {tuple(self.probabilities.shape)}, rank={self.rank})"
