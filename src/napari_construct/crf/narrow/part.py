"""What the two kernels have in common where each works for itself."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Planes = Float[Tensor, "_ _ _ _"]


@runtime_checkable
class Part(Protocol):
    """One normalised kernel, self terms included, between rows of pixels.

    ``nodes`` is what all rows of pixels send and some of them read: :meth:`new_nodes` makes it.
    """

    def new_nodes(self, k: int, /) -> Any:
        """Room for k planes."""

    def send(self, rows: slice, change: Planes, nodes: Any, /) -> None:
        """Send the planes of some rows of pixels."""

    def message(self, rows: slice, nodes: Any, /) -> Planes:
        """The kernel times what was sent, at some rows of pixels."""
