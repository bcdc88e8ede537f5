"""Learnable weights of several losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

LIMITS = (-4.0, 4.0)
"""Of s: weights exp(-s) from 0.018 to 55."""


def uncertainty_weighted(losses: Float[Tensor, " n"], s: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Sum of losses with learnable weights.

    .. math:: L = \sum_i e^{-s_i} L_i + s_i, \qquad
              \frac{\partial L}{\partial s_i} = 1 - e^{-s_i} L_i

    s is the logarithm of the variance of a task's noise: the likelihood of a task with much noise tells
    little and is weighted down; the second term keeps s from growing. For a given loss the optimum is
    :math:`s_i = \log L_i`, where the weighted loss is 1: losses of any scale are made equal, and what is
    learned is the sum of their logarithms.

    Source: Kendall, Gal and Cipolla 2018, equations 7 and 10, whose factors of one half are left out.

    Parameters
    ----------
    losses : Tensor
        L >= 0.
    s : Tensor
        Log variances.

    Returns
    -------
    Tensor
        Scalar, which may be negative.
    """
    return (torch.exp(-s) * losses + s).sum()


@dataclass(frozen=True, slots=True)
class WeightedLosses:
    """What :class:`UncertaintyWeights` returns.

    Attributes
    ----------
    total : Tensor
        Scalar to be minimised.
    losses, weighted, s : dict of str to Tensor
        For the log, without gradient: each loss, the same times exp(-s), and s.
    """

    total: Float[Tensor, ""]
    losses: dict[str, Tensor]
    weighted: dict[str, Tensor]
    s: dict[str, Tensor]


class UncertaintyWeights(nn.Module):
    """:func:`uncertainty_weighted` of named losses, with s as parameters.

    s is kept within limits by projection: before every use, what an optimiser's step moved out of them is put
    back. (A clamp in the formula would end the gradient at the limit, and s could never return.) The limits
    bound the weight of a loss that falls towards 0, whose s would go to minus infinity. Keep s out of weight
    decay, which would pull all weights to 1.

    Parameters
    ----------
    names : sequence of str
        Of the losses.
    limits : tuple of float
        Lowest and highest s.
    """

    s: Tensor

    def __init__(self, names: Sequence[str], limits: tuple[float, float] = LIMITS) -> None:
        super().__init__()
        if not names or len(set(names)) != len(names):
            raise ValueError(f"expected names that differ, got {list(names)}; give each loss one of its own")
        if not limits[0] <= 0 <= limits[1]:
            raise ValueError(f"expected limits around 0, got {limits}; use {LIMITS}")
        self.names, self.limits = tuple(names), limits
        self.s = nn.Parameter(torch.zeros(len(self.names)))

    def forward(self, losses: Mapping[str, Tensor]) -> WeightedLosses:
        """Weigh the losses that are there; one that is missing in this step (no truth) takes no part.

        Raises
        ------
        ValueError
            If a name is unknown, or no loss is given.
        """
        unknown = [name for name in losses if name not in self.names]
        if unknown or not losses:
            raise ValueError(
                f"expected losses out of {', '.join(self.names)}, got {', '.join(unknown) or 'none'}; "
                "name them when the weights are made"
            )
        with torch.no_grad():
            self.s.clamp_(*self.limits)
        given = list(losses)
        s = self.s[[self.names.index(name) for name in given]]
        values = torch.stack([losses[name] for name in given])
        plain, logs = values.detach(), s.detach().clone()
        weighted = torch.exp(-logs) * plain
        return WeightedLosses(
            uncertainty_weighted(values, s.to(values)),
            dict(zip(given, plain, strict=True)),
            dict(zip(given, weighted, strict=True)),
            dict(zip(given, logs, strict=True)),
        )

    def values(self) -> dict[str, float]:
        """S of every loss, for the log."""
        return dict(zip(self.names, self.s.detach().tolist(), strict=True))
