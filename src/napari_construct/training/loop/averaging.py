"""Averages of weights over steps.

The mean of the weights that training passes through lies in a flatter region of the loss than any of
them, and generalises better to slides that were not trained on (Izmailov et al. 2018; Cha et al. 2021).
Batch normalisation needs statistics of its own for the averaged network: they are taken from training
batches, with the network as it is averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from napari_construct.events import Event, Steps

COUNT = "|count"
"""Name of the number of averaged steps among the tensors of the state; no parameter is called so."""

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class WeightAverage:
    """Running mean of parameters, plain or exponential.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        Parameters to average; :meth:`update` reads their values.
    decay : float, optional
        Decay of an exponential average; by default all steps have equal weight. The first ``1 / (1 - decay)``
        steps have equal weight, too.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float | None = None) -> None:
        self._parameters, self._decay = dict(parameters), decay
        self.count = 0
        self.mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights into the mean."""
        self.count += 1
        rate = 1 / self.count if self._decay is None else max(1 / self.count, 1 - self._decay)
        for name, parameter in self._parameters.items():
            if name not in self.mean:
                self.mean[name] = parameter.detach().clone()
            else:
                self.mean[name].lerp_(parameter.detach(), rate)

    @torch.no_grad()
    def put_into_model(self) -> None:
        """Replace the present weights by the mean."""
        for name, value in self.mean.items():
            self._parameters[name].copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """The state, for resuming."""
        return {COUNT: torch.tensor(self.count), **self.mean}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to a state; KeyError where it is one of other parameters."""
        self.count = int(state[COUNT])
        names = self._parameters if self.count else ()
        self.mean = {name: state[name].to(self._parameters[name].device).clone() for name in names}


def estimate_norms(
    module: nn.Module, passes: Sequence[Callable[[], object]], stage: str = "average"
) -> Steps[None]:
    """Estimate the statistics of every batch normalisation in ``module`` as means over forward passes.

    Parameters
    ----------
    module : Module
        Its mode is kept.
    passes : sequence of callable
        Each runs one batch through the module.
    stage : str
        Of the events.

    Yields
    ------
    Event
        After every pass.
    """
    norms = [m for m in module.modules() if isinstance(m, _BATCH_NORMS)]
    if not norms:
        return
    was_training, momenta = module.training, [norm.momentum for norm in norms]
    module.train()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the passes
        for number, run_one in enumerate(passes, start=1):
            with torch.no_grad():
                run_one()
            yield Event(stage, number, len(passes))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.train(was_training)


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Statistics of its normalisation stay as they are and are used until the block ends."""
    before = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(before)


@contextmanager
def kept_weights(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Restore parameters and buffers exactly when the block ends."""
    before = {
        name: {key: value.detach().clone() for key, value in module.state_dict().items()}
        for name, module in modules.items()
    }
    try:
        yield
    finally:
        for name, module in modules.items():
            module.load_state_dict(before[name], strict=True)
