"""Weight update of both stages: from a loss to new weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from napari_construct.exceptions import ConstructError
from napari_construct.training.randomness import seed_of


class WeightUpdate:
    """An optimiser with the rates of a schedule and a bound on the gradient.

    Parameters
    ----------
    optimiser : Optimizer
        Its rates now are those that a schedule multiplies.
    parameters : iterable of Parameter
        Whose gradient is bounded, all together.
    clip_norm : float or None
        The bound of its norm; None sets none.
    device : torch.device
        Where steps run.
    dtype : torch.dtype, optional
        What the network computes in; float32 by default.
    """

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        parameters: Iterable[nn.Parameter],
        clip_norm: float | None,
        device: torch.device,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.optimiser, self._parameters, self._clip_norm = optimiser, tuple(parameters), clip_norm
        self._rates = [group["lr"] for group in optimiser.param_groups]
        # half precision has so small a range that gradients vanish unless they are scaled up
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def begin(self, factor: float) -> None:
        """Set the rates times ``factor`` and forget the last gradient."""
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self.optimiser.zero_grad(set_to_none=True)

    def finish(
        self,
        loss: Tensor,
        losses: Mapping[str, float],
        number: int,
        complete: Callable[[], None] | None = None,
    ) -> None:
        """Change the weights.

        Parameters
        ----------
        loss : Tensor
            Scalar with gradient.
        losses : mapping of str to float
            All losses of the step.
        number : int
            Of the step, for the error.
        complete : callable, optional
            Adds what backward alone does not bring to the gradients.

        Raises
        ------
        ConstructError
            If a loss is not finite.
        """
        if not all(math.isfinite(value) for value in losses.values()):
            shown = ", ".join(f"{name} {value:g}" for name, value in losses.items())
            raise ConstructError(
                f"expected finite losses at step {number}, got {shown}; lower the learning rate"
            )
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if complete is not None:
            complete()
        self.scaler.unscale_(self.optimiser)
        if self._clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def rate(self, factor: float) -> float:
        """The first learning rate at a factor of the schedule."""
        return float(self._rates[0] * factor)


def optimiser_tensors(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The state of an optimiser by name of parameter."""
    return {
        f"{name}|{key}": value
        for name, parameter in parameters.items()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """Go back to a state of :func:`optimiser_tensors`; KeyError where it is one of other parameters."""
    for key, value in tensors.items():
        name, entry = key.rsplit("|", 1)
        parameter = parameters[name]
        # Adam counts its steps on the CPU; everything else lies beside its parameter
        place = value if entry == "step" else value.to(parameter.device)
        optimiser.state.setdefault(parameter, {})[entry] = place.clone()


@contextmanager
def one_step(device: torch.device, seed: int, number: int, batch_size: int, remedy: str) -> Iterator[None]:
    """Surround a step: what layers draw at random depends on seed and number alone.

    Raises
    ------
    ConstructError
        If the device runs out of memory; ``remedy`` says what to choose then.
    """
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            _seed(device, seed_of(seed, "layers", number))
            yield
    except torch.OutOfMemoryError as error:
        raise ConstructError(
            f"{device} ran out of memory at a batch of {batch_size} patches; choose {remedy}"
        ) from error


def _seed(device: torch.device, seed: int) -> None:
    """Seed the CPU's generator and the device's; ``torch.manual_seed`` would seed those of all cards."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


POLYNOMIAL_POWER = 0.9
"""Usual for segmentation (Chen et al. 2017)."""


def rate_factor(step: int, total: int, *, schedule: str, warm_up: float) -> float:
    """Factor of the base learning rate at step ``step`` of ``total``, 0 to 1.

    A linear rise over the share ``warm_up`` of the steps, then ``(1 - t) ** 0.9`` ("polynomial"),
    ``(1 + cos(pi t)) / 2`` ("cosine") or 1 ("constant"), where t runs from 0 to 1.
    """
    rising = math.ceil(total * warm_up)
    if step < rising:
        return (step + 1) / rising
    t = (step - rising) / max(total - rising, 1)
    if schedule == "polynomial":
        return float((1 - t) ** POLYNOMIAL_POWER)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    return 1.0
