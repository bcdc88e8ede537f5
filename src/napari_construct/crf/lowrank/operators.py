"""What both ways of applying the kernels have in common: torch's, and the one by compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.crf.base.strips import Map


@dataclass(frozen=True)
class MeanFieldArrays:
    """What the strips of a refinement share.

    Attributes
    ----------
    probabilities : tensor
        (b, k, h, w) float32, contiguous, as given.
    order : tensor
        (b, k): the labels as cells keep them, the one with the most probability last.
    weights : tuple of float
        Of the smoothness and the appearance kernel.
    out : tensor
        (b, k, h, w), where the refined probabilities go, in the order given.
    labels : tensor or None
        (b, h, w), where the index of the largest goes.
    """

    probabilities: Float[Tensor, "b k h w"]
    order: Int[Tensor, "b k"]
    weights: tuple[float, float]
    out: Float[Tensor, "b k h w"]
    labels: UInt8[Tensor, "b h w"] | None


@runtime_checkable
class Strip(Protocol):
    """The mean field of some rows of cells, which reads one of two arrays of nodes and writes the other."""

    def start(self, nodes: list[Any], /) -> None:
        """Set up the state, and send it to the first of the two arrays."""

    def step(self, number: int, last: bool, /) -> None:
        """An iteration; send the change to the other array unless it is the last."""

    def finish(self) -> None:
        """Write the strip's probabilities in the order given, and its labels."""


@runtime_checkable
class Kernels(Protocol):
    """Both kernels of one image, or of a batch, prepared for the mean field."""

    @property
    def images(self) -> int:
        """How many."""

    @property
    def device(self) -> torch.device:
        """Where they are."""

    def new_nodes(self, k: int, /) -> Any:
        """An array that all strips write, each its part, and read: of k planes."""

    def free(self, *nodes: Any) -> None:
        """Take back room that :meth:`new_nodes` made."""

    def strips(self, arrays: MeanFieldArrays, /) -> Sequence[Strip]:
        """The state of a refinement, some rows of pixels each."""

    def messages(self, q: Float[Tensor, "b k h w"], /) -> tuple[Tensor, Tensor]:
        """The normalised kernels times q, (b, k, h, w), apart: smoothness, appearance; with self terms."""


@runtime_checkable
class Operator(Protocol):
    """The kernels of a lattice at work."""

    def apply(
        self, values: Float[Tensor, "b ny nx k p"], weights: Sequence[tuple[float, float]], run: Map, /
    ) -> list[Float[Tensor, "b ny nx k p"]]:
        """Both kernels times values, without the self terms, for every pair of weights."""

    def normalise(self, smooth: Float[Tensor, "1 ny nx p"], least: float, run: Map, /) -> None:
        """Normalise the appearance kernel: scale features and residual by its row sums to the power -1/2.

        Row sums are raised to ``least``. The smoothness kernel's feature, the last, becomes ``smooth``.
        """

    def strips(self, arrays: MeanFieldArrays, /) -> Sequence[Strip]:
        """The strips of a refinement."""

    def new_nodes(self, k: int, /) -> Any:
        """Room for the nodes of all strips and k planes."""

    def free(self, *nodes: Any) -> None:
        """Take back room that :meth:`new_nodes` made."""

    def send(self, index: int, values: Float[Tensor, "b y nx k p"], nodes: Any, /) -> None:
        """Splat the values of one strip on its own rows of the nodes."""

    def receive(self, index: int, nodes: Any, k: int, /) -> Float[Tensor, "b y nx k p"]:
        """The appearance kernel's k planes at one strip, without what the self term lacks."""


def largest(planes: Float[Tensor, "b k h w"]) -> UInt8[Tensor, "b h w"]:
    """Index of the first largest plane; comparisons of few planes are faster than an argmax."""
    best = planes[:, 0].clone()
    index = torch.zeros_like(best, dtype=torch.uint8)
    for j in range(1, planes.shape[1]):
        index.masked_fill_(planes[:, j] > best, j)
        torch.maximum(best, planes[:, j], out=best)
    return index
