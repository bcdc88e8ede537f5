r"""InfoNCE between region embeddings and class prototypes.

Source: van den Oord et al. 2018 (InfoNCE); Khosla et al. 2020 for several positives; ConStruct, section
2.3, equations of :math:`L_{fg}` and :math:`L_{bg}`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from napari_construct.losses.memory_bank import MemoryBank

__all__ = [
    "ContrastLosses",
    "ForegroundBackgroundContrast",
    "MemoryBank",
    "foreground_background",
    "info_nce",
    "own_prototypes",
    "repulsion",
]

TEMPERATURE = 0.07


def info_nce(
    queries: Float[Tensor, "r d"],
    keys: Float[Tensor, "p d"],
    positives: Bool[Tensor, "r p"],
    temperature: float = TEMPERATURE,
    *,
    extra_negatives: Float[Tensor, "m d"] | None = None,
    extra_for: Bool[Tensor, "r m"] | None = None,
) -> Float[Tensor, ""]:
    r"""InfoNCE: negative log-probability of a query's positive keys among all keys.

    .. math:: L = -\frac 1 r \sum_i \log \frac{\sum_{j \in P_i} e^{\cos(q_i, k_j) / \tau}}
              {\sum_j e^{\cos(q_i, k_j) / \tau} + \sum_l e^{\cos(q_i, n_l) / \tau}}

    With one positive per query this is cross-entropy. With several, their sum counts: one close
    positive suffices.

    Parameters
    ----------
    queries : Tensor
        Region embeddings, of any length: cosines are taken.
    keys : Tensor
        Prototypes.
    positives : Tensor
        True where the key is a positive of the query; at least one per row.
    temperature : float
        tau.
    extra_negatives : Tensor, optional
        Further negatives, e.g. the contents of a memory bank; an empty one is none. They receive
        gradient where they ask for it.
    extra_for : Tensor, optional
        True where a further negative is one of the query; by default all are of all queries.

    Returns
    -------
    Tensor
        Scalar >= 0; 0 where there are no queries.
    """
    if not len(queries):
        return queries.sum() + 0.0 * keys.sum()
    unit = F.normalize(queries, dim=-1)
    logits = _scaled_cosines(unit, keys, temperature)
    of_positives = logits.masked_fill(~positives, -torch.inf).logsumexp(-1)
    if extra_negatives is not None and len(extra_negatives):
        extra = _scaled_cosines(unit, extra_negatives, temperature)
        extra = extra if extra_for is None else extra.masked_fill(~extra_for, -torch.inf)
        logits = torch.cat([logits, extra], -1)
    return (logits.logsumexp(-1) - of_positives).mean()


def repulsion(
    queries: Float[Tensor, "r d"],
    keys: Float[Tensor, "p d"],
    negatives: Bool[Tensor, "r p"],
    temperature: float = TEMPERATURE,
) -> Float[Tensor, ""]:
    r"""Push queries away from their negatives, without positives.

    .. math:: L = \frac 1 r \sum_i \log \Big( 1 + \sum_{j \in N_i} e^{\cos(q_i, k_j) / \tau} \Big)

    It is :func:`info_nce` whose one positive is at right angles to everything: the loss is log 2 for a
    query at right angles to its only negative, and falls to 0 beyond.

    Parameters
    ----------
    queries, keys : Tensor
        Of any length: cosines are taken.
    negatives : Tensor
        True where the query is pushed from the key.
    temperature : float
        tau.

    Returns
    -------
    Tensor
        Scalar >= 0; 0 where there are no queries.
    """
    if not len(queries):
        return queries.sum() + 0.0 * keys.sum()
    logits = _scaled_cosines(F.normalize(queries, dim=-1), keys, temperature)
    return F.softplus(logits.masked_fill(~negatives, -torch.inf).logsumexp(-1)).mean()


def _scaled_cosines(
    unit: Float[Tensor, "r d"], keys: Float[Tensor, "p d"], temperature: float
) -> Float[Tensor, "r p"]:
    """Cosines of unit vectors with keys of any length, over tau."""
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}; use 0.07")
    return unit @ F.normalize(keys, dim=-1).to(unit).T / temperature


def own_prototypes(
    prototypes: Float[Tensor, "p d"], classes: Int[Tensor, " r"], owners: Int[Tensor, " p"] | None
) -> Bool[Tensor, "r p"]:
    """(r, n) bool, prototypes of each region's class; without owners, prototype i is of class i."""
    if owners is None:
        owners = torch.arange(len(prototypes), device=prototypes.device)
    return owners[None] == classes[:, None]


@dataclass(frozen=True, slots=True)
class ContrastLosses:
    """The two parts of the contrast; their sum enters the objective."""

    foreground: Float[Tensor, ""]
    background: Float[Tensor, ""]


def foreground_background(
    foreground: Float[Tensor, "r d"],
    background: Float[Tensor, "r d"],
    prototypes: Float[Tensor, "p d"],
    classes: Int[Tensor, " r"],
    owners: Int[Tensor, " p"] | None = None,
    *,
    bank: Float[Tensor, "m d"] | None = None,
    temperature: float = TEMPERATURE,
) -> ContrastLosses:
    """Foreground towards its class, background away from it (ConStruct, section 2.3).

    The foreground's positives are the prototypes of its class; its negatives are all other prototypes and the
    bank. The background's positives are the prototypes of the *other* classes, its negatives its own
    class's; the bank takes no part. With a single class the background has no positive, and its loss is 0.

    Parameters
    ----------
    foreground, background : Tensor
        Embeddings of the regions of each pair of image and class.
    prototypes : Tensor
        In the space of the embeddings.
    classes : Tensor
        Class of each region.
    owners : Tensor, optional
        Class of each prototype; prototype i belongs to class i by default.
    bank : Tensor, optional
        Negatives of earlier steps.
    temperature : float
        tau.
    """
    own = own_prototypes(prototypes, classes, owners)
    pulled = info_nce(foreground, prototypes, own, temperature, extra_negatives=bank)
    if bool(own.all()):
        return ContrastLosses(pulled, 0.0 * background.sum())
    return ContrastLosses(pulled, info_nce(background, prototypes, ~own, temperature))


class ForegroundBackgroundContrast(nn.Module):
    """:func:`foreground_background` with its own memory bank, fed with backgrounds while training."""

    def __init__(self, width: int, size: int = 2048, temperature: float = TEMPERATURE) -> None:
        super().__init__()
        self.bank = MemoryBank(size, width)
        self.temperature = temperature

    def forward(
        self,
        foreground: Tensor,
        background: Tensor,
        prototypes: Tensor,
        classes: Tensor,
        owners: Tensor | None = None,
    ) -> Tensor:
        losses = foreground_background(
            foreground, background, prototypes, classes, owners,
            bank=self.bank.contents(), temperature=self.temperature,
        )  # fmt: skip
        if self.training:
            self.bank.push(background)
        return losses.foreground + losses.background
