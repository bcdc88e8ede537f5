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

RESERVE: Final = 0.1
"""Weight, among cells where nothing was painted, of "no class that the start does not know"."""

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
    rows: Rows, *, strength: float, background: float = 0.0, known: int = 0
) -> tuple[Float[Tensor, "c k"], Float[Tensor, " k"]]:
    """Weights and biases of the linear function (L-BFGS); the same for the same rows.

    The loss is the cross-entropy over the painted cells, in which classes have the same say however many
    cells each has, plus ``background`` times that between the base's probabilities and the result's over
    cells where nothing was painted, plus ``strength`` times the squared weights of the standardised features.
    Among cells where nothing was painted may be some of a class that the base does not know; so the second
    term compares the known classes with each other, and only a tenth of it (:data:`RESERVE`) keeps new ones
    away.
    Classes that were not painted keep weights and bias of 0; a base that does not know them says
    :data:`NEVER`.

    Parameters
    ----------
    rows : Rows
        At least one painted cell.
    strength, background : float
        See above.
    known : int
        Classes that the base knows, which come first; with any, biases are kept small as weights are.

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
    truth = F.one_hot(rows.targets.clamp_min(0), k).float()
    said = F.pad(base[:, :known].softmax(1), (0, k - known))
    share = (1 / (counts.clamp_min(1) * learned.sum()))[rows.targets.clamp_min(0)] * painted
    quiet = background * ~painted / max(int((~painted).sum()), 1)
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
            p = log_p.exp()
            value = -(share * (truth * log_p).sum(1)).sum() + strength * weight.square().sum()
            wrong = (p - truth) * share[:, None]
            if known:
                log_q = logits[:, :known].log_softmax(1)
                q, all_known = F.pad(log_q.exp(), (0, k - known)), log_p[:, :known].logsumexp(1)
                value -= (quiet * ((said[:, :known] * log_q).sum(1) + RESERVE * all_known)).sum()
                value += strength * bias.square().sum()
                wrong += quiet[:, None] * (q - said + RESERVE * (p - q))
            weight.grad = (x.T @ wrong + 2 * strength * weight) * learned
            bias.grad = (wrong.sum(0) + 2 * strength * bias * (known > 0)) * learned
        return float(value)

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = weight / spread[:, None]
        return found, bias - mean @ found
