"""Several processes, one training run: each encodes its part of a batch, all take the same step.

Every process holds the whole network and draws the same random numbers. Of a batch it computes its own part,
and scales its losses so that their *sum* over processes is the loss of the whole batch. Gradients are then
added up, so every process takes the step that one process with the whole batch would take, up to rounding.
What looks at a whole batch - batch normalisation, the contrast - exchanges what it needs with
:meth:`Processes.sum`, through which gradients flow. A single process exchanges nothing.

``accelerate launch`` (or ``torchrun``) starts the processes; accelerate joins them and names their devices.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor, nn

from napari_construct.exceptions import ConfigurationError

PATIENCE: Final = timedelta(hours=6)
"""How long processes wait for the main one, which validates alone."""


class Processes:
    """The processes of a run, seen from one of them.

    Attributes
    ----------
    rank, count : int
        Number of this process, from 0, and of all.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def is_main(self) -> bool:
        """Whether this process validates, writes and reports."""
        return self.rank == 0

    def part(self, length: int) -> slice:
        """Rows of a batch that are this process's; parts differ by one row at most."""
        return slice(length * self.rank // self.count, length * (self.rank + 1) // self.count)

    def sum(self, value: Tensor) -> Tensor:
        """Sum over processes of a tensor of the same shape in each, with gradient."""
        if self.count == 1:
            return value
        total: Tensor = _Sum.apply(value)
        return total

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes in their order, however many each has, with gradient."""
        if self.count == 1:
            return rows
        own = torch.zeros(self.count, dtype=torch.int64, device=rows.device)
        own[self.rank] = len(rows)
        counts = self.sum(own).tolist()
        start = sum(counts[: self.rank])
        before = rows.new_zeros((start, *rows.shape[1:]))
        after = rows.new_zeros((sum(counts) - start - len(rows), *rows.shape[1:]))
        return self.sum(torch.cat([before, rows, after]))

    def mean_weight(self, rows: int, like: Tensor) -> Tensor | float:
        """Factor that turns a mean over this process's rows into its part of the mean over all rows."""
        if self.count == 1:
            return 1.0
        total = self.sum(torch.tensor(float(rows), device=like.device))
        return rows / total.clamp_min(1)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sums over processes."""
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch.distributed.all_reduce(parameter.grad)

    @torch.no_grad()
    def copy_from_main(self, module: nn.Module) -> None:
        """Give every process the main one's parameters and buffers."""
        if self.count > 1:
            for value in (*module.parameters(), *module.buffers()):
                torch.distributed.broadcast(value.detach(), 0)

    def broadcast(self, message: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
        """A JSON value of the main process, in every process."""
        if self.count == 1:
            return dict(message)
        text = json.dumps(message).encode() if self.is_main else b""
        length = self.sum(torch.tensor(len(text), device=device))
        data = torch.zeros(int(length), dtype=torch.uint8, device=device)
        if self.is_main:
            data.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        torch.distributed.broadcast(data, 0)
        told: dict[str, Any] = json.loads(bytes(data.cpu().tolist()))
        return told

    def agreed(self, asked: Callable[[], bool] | None, device: torch.device) -> bool:
        """The main process's answer, in every process; False without a question."""
        if asked is None:
            return False
        return bool(self.broadcast({"answer": self.is_main and asked()}, device)["answer"])


def join_processes(device: torch.device, *, named: bool) -> tuple[Processes, torch.device]:
    """Join the processes that a launcher started, if one did; returns them and this process's device.

    Parameters
    ----------
    device : torch.device
        Requested device.
    named : bool
        Whether a single device was named, which several processes cannot share unless it is the CPU.

    Raises
    ------
    ConfigurationError
        If several processes are to use the same GPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Processes(), device
    if named and device.type != "cpu":
        raise ConfigurationError(
            f"expected device auto or cpu with several processes, got {device}; each process uses its own GPU"
        )
    from accelerate import PartialState

    state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    # threads of the group that are at work while the interpreter ends abort the process
    atexit.register(state.destroy_process_group)
    return Processes(state.process_index, state.num_processes), state.device


def is_main_process() -> bool:
    """Whether this is the process that reports, without loading anything."""
    return os.environ.get("RANK", "0") == "0"


class _Sum(torch.autograd.Function):
    """Sum over processes; as every process's loss depends on the sum, gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.clone()
        torch.distributed.all_reduce(total)
        return total
