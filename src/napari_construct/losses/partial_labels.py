"""Losses of partial labels: every cell has one of the classes of its patch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def is_informative(labels: Float[Tensor, "n k"]) -> Bool[Tensor, " n"]:
    """Whether labels exclude some, but not all classes."""
    allowed = labels > 0
    return allowed.any(1) & ~allowed.all(1)


def partial_label_loss(
    logits: Float[Tensor, "n k"], labels: Float[Tensor, "n k"], weight: Float[Tensor, " n"] | None = None
) -> Float[Tensor, ""]:
    r"""Negative log-likelihood of "one of the classes of the patch", for cells without a known class.

    .. math:: L = -\frac{1}{n} \sum_i w_i \log \sum_{c \in Y_i} p_{ic}, \qquad p_i = \mathrm{softmax}(z_i)

    A cell of a patch with one class is an ordinary example of that class. In a patch with several classes,
    the label only excludes the other classes. Labels of all classes or of none carry no information; their
    cells are not counted in :math:`n`. Source: learning from partial labels (Cour et al. 2011; Jin and
    Ghahramani 2002).

    Parameters
    ----------
    logits : Tensor
        CAM logits of single cells.
    labels : Tensor
        1 for the classes that the cell may belong to.
    weight : Tensor, optional
        (n,) w; 1 by default.
    """
    informative = is_informative(labels)
    if not informative.any():
        return 0.0 * logits.sum()
    z = logits[informative]
    possible = z.masked_fill(labels[informative] <= 0, torch.finfo(z.dtype).min)
    losses = torch.logsumexp(z, 1) - torch.logsumexp(possible, 1)
    return (losses if weight is None else losses * weight[informative]).mean()


def presence_loss(pooled: Float[Tensor, "q k"], labels: Float[Tensor, "q k"]) -> Float[Tensor, ""]:
    r"""Every class of a patch with several must be somewhere: mean of :math:`-\log \sigma(s)` over them.

    Without it, :func:`partial_label_loss` allows a network to see one class of a mixed patch only.

    Parameters
    ----------
    pooled : Tensor
        Log-odds of each class where it is most likely (``pool_logits(cam, "strongest")``).
    labels : Tensor
        1 where the class occurs in the patch.
    """
    asked = (labels > 0) & (labels.sum(1, keepdim=True) > 1)
    if not asked.any():
        return 0.0 * pooled.sum()
    return F.softplus(-pooled[asked]).mean()


def label_set_weight(
    labels: Float[Tensor, "n k"], data: Float[Tensor, "m k"], limit: float = 10.0
) -> Float[Tensor, " n"]:
    """Weights that give every set of labels of a data set the same total weight.

    Parameters
    ----------
    labels : Tensor
        Labels of cells.
    data : Tensor
        Labels of the data set's patches, as often as they are drawn.
    limit : float
        Bound on a weight, so that few patches cannot dominate the gradient.
    """
    place = 2.0 ** torch.arange(labels.shape[1], device=labels.device, dtype=torch.float64)
    informative = is_informative(data)
    found, counts = torch.unique((data[informative] > 0).double() @ place, return_counts=True)
    if not len(found):
        return torch.ones_like(labels[:, 0])
    share = (counts.sum() / (counts * len(found))).clamp(1 / limit, limit).to(labels)
    index = torch.searchsorted(found, (labels > 0).double() @ place).clamp_max(len(found) - 1)
    found_weights: Tensor = share[index]
    return found_weights


class PartialLabels(nn.Module):
    """:func:`partial_label_loss` with the weights of :func:`label_set_weight`."""

    data: Tensor

    def __init__(self, data: Float[Tensor, "m k"]) -> None:
        super().__init__()
        self.register_buffer("data", data, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return partial_label_loss(logits, labels, label_set_weight(labels, self.data))
