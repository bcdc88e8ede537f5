"""Batch normalisation over the batches of all processes.

The statistics of a part of a batch are not those of the batch. Here sums are exchanged, with gradient, on
any device (``torch.nn.SyncBatchNorm`` knows GPUs only).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.training.processes import Processes


class SharedBatchNorm2d(nn.BatchNorm2d):
    """:class:`torch.nn.BatchNorm2d` whose training statistics are of all processes' rows together."""

    processes: Processes

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if not self.training:
            normalised: Tensor = super().forward(x)
            return normalised
        values = x.float()
        count = torch.tensor([values.numel() / max(values.shape[1], 1)], device=x.device)
        sums = self.processes.sum(torch.cat([values.sum((0, 2, 3)), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = values - mean[None, :, None, None]
        variance = self.processes.sum(centred.square().sum((0, 2, 3))) / total
        self._remember(mean.detach(), variance.detach() * total / (total - 1).clamp_min(1))
        scale = (self.weight / (variance + self.eps).sqrt())[None, :, None, None]
        return (centred * scale + self.bias[None, :, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        rate = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance, rate)


def share_norms(module: nn.Module, processes: Processes) -> None:
    """Replace every ``BatchNorm2d`` inside ``module``; parameters, buffers and their names stay."""
    for name, child in module.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            share_norms(child, processes)
            continue
        shared = SharedBatchNorm2d(child.num_features, child.eps, child.momentum)
        shared.weight, shared.bias = child.weight, child.bias
        shared.running_mean, shared.running_var = child.running_mean, child.running_var
        shared.num_batches_tracked = child.num_batches_tracked
        shared.processes = processes
        setattr(module, name, shared.train(child.training))
