"""Random weights that depend on their seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Final

import torch

_LOCK: Final = RLock()
"""torch has one generator for all threads: two networks made side by side would share its numbers."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """What is drawn within follows from the seed, and the generator goes on as if nothing had been drawn.

    Only the CPU's generator is seeded; ``torch.manual_seed`` would seed those of graphics cards, too.
    """
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
