"""A real graphics card, for the tests marked ``cuda``."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class GraphicsCard:
    """The first NVIDIA card of this machine, and what tests ask of its memory."""

    device = torch.device("cuda")

    def allocated(self) -> int:
        """Bytes that living tensors of this process take."""
        gc.collect()
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()

    def gave_back(self, before: int) -> bool:
        """Whether what was allocated since then is free again, up to small tables that are kept."""
        return self.allocated() <= before + 2**20

    @contextmanager
    def only(self, megabytes: int) -> Iterator[None]:
        """As on a card with so little memory left for this process."""
        gc.collect()
        torch.cuda.empty_cache()
        left = torch.cuda.memory_reserved() + megabytes * 2**20
        torch.cuda.set_per_process_memory_fraction(left / torch.cuda.mem_get_info()[1])
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()
