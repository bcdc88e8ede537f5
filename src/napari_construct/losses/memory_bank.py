"""Memory bank: embeddings of earlier steps, reused as negatives.

Source: Wu et al. 2018 (instance discrimination); He et al. 2020 (MoCo) for the queue. ConStruct keeps
2048 background embeddings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A ring of the last ``size`` L2-normalised embeddings; part of the state, so that resuming is exact.

    Parameters
    ----------
    size : int
        Embeddings kept; 0 keeps none.
    width : int
        Width of an embedding.
    n_classes : int
        Labels kept with each embedding; 0 keeps none.
    """

    vectors: Tensor
    labels: Tensor
    pushed: Tensor

    def __init__(self, size: int, width: int, n_classes: int = 0) -> None:
        super().__init__()
        if size < 0 or width < 1:
            raise ValueError(
                f"expected size >= 0 and width >= 1, got {size} and {width}; use 2048 and the embedding's"
            )
        self.size, self.n_classes = size, n_classes
        self.register_buffer("vectors", torch.zeros(size, width))
        self.register_buffer("labels", torch.zeros(size, n_classes), persistent=n_classes > 0)
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    def __len__(self) -> int:
        return min(int(self.pushed), self.size)

    @torch.no_grad()
    def push(self, embeddings: Float[Tensor, "r d"], labels: Float[Tensor, "r k"] | None = None) -> None:
        """Add embeddings and, where the bank keeps them, their labels; the oldest make room."""
        if (labels is not None) != (self.n_classes > 0):
            raise ValueError(
                f"expected labels exactly where the bank keeps them ({self.n_classes} classes), got "
                f"{'some' if labels is not None else 'none'}; give or omit them"
            )
        kept = F.normalize(embeddings.detach(), dim=-1)[-self.size :] if self.size else embeddings[:0]
        places = (int(self.pushed) + torch.arange(len(kept), device=self.vectors.device)) % max(self.size, 1)
        self.vectors[places] = kept.to(self.vectors)
        if labels is not None and self.size:
            self.labels[places] = labels[-self.size :].to(self.labels)
        self.pushed += len(kept)

    def contents(self) -> Float[Tensor, "m d"]:
        """A copy of what is kept, m <= size rows, in no order of time."""
        return self.vectors[: len(self)].clone()

    def kept_labels(self) -> Float[Tensor, "m k"]:
        """Labels of :meth:`contents`, row by row."""
        return self.labels[: len(self)].clone()

    forward = contents
