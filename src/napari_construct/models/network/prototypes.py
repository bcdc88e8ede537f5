"""Prototypes: learnable class vectors that start from text, examples or noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class TwoLayerMLP(nn.Module):
    """Linear, ReLU, Linear: the shared prototype MLP and the adaptive layer."""

    def __init__(self, width_in: int, hidden: int, width_out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width_in, hidden)
        self.fc2 = nn.Linear(hidden, width_out)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.fc2(F.relu(self.fc1(x)))
        return projected


class PrototypeBank(nn.Module):
    """k prototypes for each class, in the order class 0's, class 1's, ...

    Parameters
    ----------
    start : Tensor
        (classes, per_class, width): where training starts, e.g. text embeddings. Prototypes of one
        class that start at the same point are pulled apart by seeded noise: equal ones would receive
        equal gradients for ever.
    mlp : bool
        Whether the bank passes through the shared MLP and an L2 norm.
    """

    def __init__(self, start: Float[Tensor, "k p d"], *, mlp: bool) -> None:
        super().__init__()
        self.n_classes, self.per_class, width = start.shape
        self.vectors = nn.Parameter(_apart(start).reshape(-1, width).clone())
        self.mlp = TwoLayerMLP(width, width // 2, width) if mlp else None

    def forward(self) -> Float[Tensor, "kp d"]:
        if self.mlp is None:
            return self.vectors
        return F.normalize(self.mlp(self.vectors), dim=-1)

    def class_maximum(self, logits: Float[Tensor, "b kp h w"]) -> Float[Tensor, "b k h w"]:
        """Maximum over the prototypes of each class."""
        if self.per_class == 1:
            return logits
        b, _, h, w = logits.shape
        return logits.reshape(b, self.n_classes, self.per_class, h, w).amax(2)


class PlacedPrototypes(nn.Module):
    """Prototypes that a person placed after training, in the space that the CAM is read from.

    Trained prototypes compete among themselves on small differences of cosines; the mean of a painted
    region lies far closer to its own pixels. Each placed prototype therefore has an offset: its logit is
    the temperature times (cosine - offset).

    Parameters
    ----------
    owners : sequence of int
        Index of the class of each.
    width : int
        Channels of the map.
    """

    vectors: Tensor
    offsets: Tensor

    def __init__(self, owners: Sequence[int], width: int) -> None:
        super().__init__()
        self.owners = tuple(owners)
        self.register_buffer("vectors", torch.zeros(len(self.owners), width))
        self.register_buffer("offsets", torch.zeros(len(self.owners)))

    def similarity(self, embedding: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n h w"]:
        """Cosines of every pixel to every one of them."""
        return torch.einsum("bchw,pc->bphw", F.normalize(embedding, dim=1), F.normalize(self.vectors, dim=-1))

    def class_maximum(
        self, cam: Float[Tensor, "b k h w"], similarity: Float[Tensor, "b n h w"], scale: Tensor
    ) -> Float[Tensor, "b k h w"]:
        """Logits in which each class also has its placed prototypes."""
        maps = list(cam.unbind(1))
        for i, owner in enumerate(self.owners):
            maps[owner] = torch.maximum(maps[owner], scale * (similarity[:, i] - self.offsets[i]))
        return torch.stack(maps, 1)


def _apart(start: Tensor) -> Tensor:
    """Add a little seeded noise to prototypes of a class that coincide."""
    if start.shape[1] == 1:
        return start
    distance = torch.cdist(start, start) + torch.eye(start.shape[1], device=start.device) * 1e9
    if bool((distance > 1e-3).all()):
        return start
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(start.shape, generator=generator).to(start)
    scale = 0.1 * start.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    moved: Tensor = start + scale * F.normalize(noise, dim=-1)
    return moved
