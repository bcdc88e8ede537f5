"""The fit of a taught head: multinomial logistic regression, in a tenth of a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

ITERATIONS: Final = 60
NEVER: Final = -20.0
"""Logit of a class that nobody has shown yet."""

LEAST_SPREAD: Final = 1e-3
"""Added to the standard deviation of a feature before it is divided by it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells that a head is fitted to.

    Attributes
    ----------
    features : Tensor
        (n, c) float32.
    base : Tensor
        (n, k) logits that the linear function is added to.
    targets : Tensor
        (n,) class of each cell; -1 where it should stay as the base says.
    """

    features: Float[Tensor, "n c"]
    base: Float[Tensor, "n k"]
    targets: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, chosen: Tensor) -> Rows:
        """Some of the cells."""
        return Rows(self.features[chosen], self.base[chosen], self.targets[chosen])


def fit_linear(
    rows: Rows, *, strength: float, background: float = 0.0, anchored: bool = False
) -> tuple[Float[Tensor, "c k"], Float[Tensor, " k"]]:
    """Weights and biases of the linear function (L-BFGS); the same for the same rows.

    The loss is the cross-entropy over the painted cells, in which classes have the same say however many
    cells each has, plus ``background`` times that between the base's probabilities and the result's over
    cells where nothing was painted, plus ``strength`` times the squared weights of the standardised features.
    Classes that were not painted keep weights and bias of 0; a base that does not know them says
    :data:`NEVER`.

    Parameters
    ----------
    rows : Rows
        At least one painted cell.
    strength, background : float
        See above.
    anchored : bool
        Whether biases are kept small as weights are, because the base knows classes.

    Returns
    -------
    weight : Tensor
        (c, k) for features as they are, not standardised.
    bias : Tensor
        (k,).
    """
    features, base = rows.features.float(), rows.base.float()
    k, painted = base.shape[1], rows.targets >= 0
    mean, spread = features.mean(0), features.std(0, correction=0) + LEAST_SPREAD
    x = (features - mean) / spread
    counts = torch.bincount(rows.targets[painted], minlength=k)
    learned = counts > 0
    target = torch.where(painted[:, None], F.one_hot(rows.targets.clamp_min(0), k).float(), base.softmax(1))
    share = 1 / (counts.clamp_min(1) * learned.sum())
    quiet = max(int((~painted).sum()), 1)
    row_weight = torch.where(painted, share[rows.targets.clamp_min(0)], torch.tensor(background / quiet))
    weight = torch.zeros(x.shape[1], k, requires_grad=True)
    bias = torch.zeros(k, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        tolerance_grad=1e-5,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        with torch.no_grad():
            logits = base + x @ weight + bias
            log_p = logits.log_softmax(1)
            value = -(row_weight * (target * log_p).sum(1)).sum() + strength * weight.square().sum()
            wrong = (log_p.exp() - target) * row_weight[:, None]
            weight.grad = (x.T @ wrong + 2 * strength * weight) * learned
            bias.grad = wrong.sum(0) * learned
            if anchored:
                value = value + strength * bias.square().sum()
                bias.grad += 2 * strength * bias * learned
        return float(value)

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = weight / spread[:, None]
        return found, bias - mean @ found
