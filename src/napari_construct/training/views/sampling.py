r"""Sampling of patches: uniform, or balanced over classes and slides.

Balanced drawing gives patch i the probability

.. math:: p_i = \sum_c \pi_c \; \frac{1}{G_c \, n_{c g(i)}} \; [y_{ic} = 1]

: first a class, then one of the :math:`G_c` groups (patients, slides) that hold the class, then one of the
:math:`n_{cg}` patches of that group with the class. Where patches hold several classes, drawing for one
class draws others along with it; the class shares :math:`\pi` are moved until every class occurs in
equally many draws, as far as that is possible with no share under half of an equal one. Patches without
any class stay as frequent as they are, at most as frequent as a class.

An epoch draws as many patches as there are, by systematic sampling: patch i occurs
:math:`\lfloor n p_i \rfloor` or :math:`\lceil n p_i \rceil` times. Order and draw are functions of seed and
epoch, so that a resumed run goes on exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.training.randomness import epoch_order, generator

ROUNDS = 500
"""Of the fixed-point iteration for the class shares; a handful of classes settles in a few dozen."""


class Sampler:
    """Indices of the patches of every step, as a function of seed and step.

    Parameters
    ----------
    seed : int
        Of order and draw.
    count : int
        Number of patches n.
    batch_size : int
        Patches in a step; the last step of an epoch may have fewer.
    probabilities : ndarray, optional
        (n,) of :func:`balanced_probabilities`; every patch once in an epoch by default.
    """

    def __init__(
        self, seed: int, count: int, batch_size: int, probabilities: NDArray[np.float64] | None = None
    ) -> None:
        self.seed, self.count, self.batch_size = seed, count, batch_size
        self.probabilities = probabilities
        self.steps_per_epoch = -(-count // batch_size)
        self._order: tuple[int, Tensor] | None = None

    def indices(self, step: int) -> list[int]:
        """Patches of a step of the whole run, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        chosen: list[int] = self._of_epoch(epoch)[place * self.batch_size :][: self.batch_size].tolist()
        return chosen

    def expected_labels(self, labels: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Labels as often as an epoch draws them, for weights that count patches."""
        if self.probabilities is None:
            return labels
        return labels * torch.from_numpy(self.probabilities * self.count).to(labels)[:, None]

    def _of_epoch(self, epoch: int) -> Int[Tensor, " n"]:
        if self._order is None or self._order[0] != epoch:
            if self.probabilities is None:
                order = epoch_order(self.seed, epoch, self.count)
            else:
                order = systematic_draw(self.probabilities, generator(self.seed, "order", epoch))
            self._order = epoch, order
        return self._order[1]


def balanced_probabilities(
    labels: NDArray[np.uint8], groups: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Probability of every patch under balanced drawing.

    Parameters
    ----------
    labels : ndarray
        (n, k), 1 where the class occurs.
    groups : sequence of str, optional
        Patient or slide of every patch; all of one group by default.

    Returns
    -------
    ndarray
        (n,), sum 1, each above 0.
    """
    n = len(labels)
    names = ["" for _ in range(n)] if not groups else list(groups)
    positive = labels[:, labels.any(axis=0)] > 0
    draws = np.stack([_within(column, names) for column in positive.T], axis=1)  # (n, k) of each class
    without: NDArray[np.bool_] = np.logical_not(positive.any(axis=1))
    rest = float(min(without.mean(), 1 / (positive.shape[1] + 1)))
    probabilities: NDArray[np.float64] = (1 - rest) * draws @ _class_shares(draws.T @ positive)
    if without.any():
        probabilities += rest * _within(without, names)
    total: NDArray[np.float64] = probabilities / probabilities.sum()
    return total


def label_sets(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One-hot (n, s) membership in the s sets of classes that occur in (n, k) labels."""
    _, index = np.unique(labels, axis=0, return_inverse=True)
    member: NDArray[np.uint8] = np.eye(int(index.max()) + 1, dtype=np.uint8)[index.reshape(-1)]
    return member


def systematic_draw(probabilities: NDArray[np.float64], draw: torch.Generator) -> Int[Tensor, " n"]:
    """Draw n of n patches, each as often as expected up to one, in random order."""
    n = len(probabilities)
    shuffled = torch.randperm(n, generator=draw)
    heights = torch.from_numpy(probabilities)[shuffled].cumsum(0)
    points = (torch.arange(n, dtype=torch.float64) + torch.rand((), generator=draw).double()) / n
    chosen = shuffled[torch.searchsorted(heights / heights[-1], points).clamp_max(n - 1)]
    return chosen[torch.randperm(n, generator=draw)]


def _within(members: NDArray[np.bool_], groups: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities of the members: equal for groups, and within a group for patches."""
    _, index = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(index, weights=members)
    share = np.where(members, 1 / np.maximum(counts[index], 1), 0.0)
    drawn: NDArray[np.float64] = share / share.sum()
    return drawn


def _class_shares(along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares (k,) so that all classes occur equally often; ``along`` (k, k) is how often drawing c draws d,
    too.
    """
    k = len(along)
    free = np.full(k, 1 / k)
    for _ in range(ROUNDS):
        occurs = (0.5 / k + 0.5 * free) @ along
        free = free * occurs.mean() / occurs
        free /= free.sum()
    shares: NDArray[np.float64] = 0.5 / k + 0.5 * free
    return shares
