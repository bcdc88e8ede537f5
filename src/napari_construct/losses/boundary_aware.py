"""Boundary-aware distillation: the student's contour lies where the teacher's does."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from napari_construct.losses.bce_dice import bce_dice
from napari_construct.losses.boundary_band import BoundaryTargets, band, boundary_targets

__all__ = [
    "BoundaryAware",
    "BoundaryLosses",
    "BoundaryTargets",
    "band",
    "boundary_aware",
    "boundary_map",
    "boundary_targets",
]


def boundary_aware(
    logits: Float[Tensor, "b 1 h w"],
    foreground: Shaped[Tensor, "b 1 h w"],
    weight: Float[Tensor, "b 1 #h #w"],
) -> Float[Tensor, ""]:
    r"""Binary cross-entropy plus soft Dice of the foreground in the band around the teacher's contour.

    .. math:: L = -\frac{\sum_i w_i \, [t_i \log \sigma(z_i) + (1 - t_i) \log (1 - \sigma(z_i))]}{\sum_i w_i}
              + 1 - \frac{2 \sum_i w_i \sigma(z_i) t_i + 1}{\sum_i w_i (\sigma(z_i)^2 + t_i^2) + 1}

    Most pixels lie far from every contour and are easy. With the weight w only those near one count, inside
    and outside about equally, so that the place of the contour decides. A weight of 1 everywhere gives
    :func:`~napari_construct.losses.bce_dice.bce_dice`.

    Source: ours, after BPKD (arXiv 2306.08075), which distils the edges of objects apart from their bodies;
    there with a divergence of class probabilities within a band that is taken or not, here with the decided
    teacher and the weight of :func:`~napari_construct.losses.boundary_band.band`.

    Parameters
    ----------
    logits : Tensor
        z of the student's foreground.
    foreground : Tensor
        t: the teacher's foreground, decided.
    weight : Tensor
        w in [0, 1]: the band. 0 where a pixel is not valid.

    Returns
    -------
    Tensor
        Scalar >= 0; 0 where there is no contour.
    """
    return bce_dice(logits, foreground, weight)


def boundary_map(
    logits: Float[Tensor, "b 1 h w"],
    boundary: Float[Tensor, "b 1 h w"],
    valid: Shaped[Tensor, "b 1 #h #w"] | None = None,
) -> Float[Tensor, ""]:
    """Binary cross-entropy plus soft Dice of the student's boundary map, over all valid pixels.

    The form of :func:`boundary_aware` without the band: away from contours the map must learn to be 0.

    Parameters
    ----------
    logits : Tensor
        Of the student's boundary.
    boundary : Tensor
        The teacher's boundary probability, in [0, 1].
    valid : Tensor, optional
        True (1) where a pixel counts; everywhere by default.

    Returns
    -------
    Tensor
        Scalar >= 0.
    """
    return bce_dice(logits, boundary, valid)


@dataclass(frozen=True, slots=True)
class BoundaryLosses:
    """The two parts of the boundary-aware term; their sum enters the objective."""

    foreground: Float[Tensor, ""]
    boundary: Float[Tensor, ""]


class BoundaryAware(nn.Module):
    """:func:`boundary_aware` of the foreground plus :func:`boundary_map` of the boundary."""

    def forward(
        self,
        foreground_logits: Tensor,
        boundary_logits: Tensor,
        foreground: Tensor,
        boundary: Tensor,
        weight: Tensor,
        valid: Tensor | None = None,
    ) -> BoundaryLosses:
        inside = weight if valid is None else weight * valid
        return BoundaryLosses(
            boundary_aware(foreground_logits, foreground, inside),
            boundary_map(boundary_logits, boundary, valid),
        )
