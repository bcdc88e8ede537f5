"""Random numbers as a function of seed, purpose and step.

No generator's state has to be stored: a run that is resumed at step n draws what the uninterrupted
run draws at step n.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Int
from torch import Tensor


def seed_of(seed: int, purpose: str, step: int) -> int:
    """A 63-bit seed that differs for every seed, purpose and step."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, step: int) -> torch.Generator:
    """A CPU generator for one purpose at one step."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, step))


def epoch_order(seed: int, epoch: int, count: int) -> Int[Tensor, " n"]:
    """Order in which an epoch visits ``count`` patches."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def full_batch(step: int, size: int, count: int, seed: int) -> list[int]:
    """Which of ``count`` things a step sees: epochs follow each other without a gap, so no batch is small."""
    places = range(step * size, (step + 1) * size)
    orders = {epoch: epoch_order(seed, epoch, count).tolist() for epoch in {p // count for p in places}}
    return [orders[p // count][p % count] for p in places]
