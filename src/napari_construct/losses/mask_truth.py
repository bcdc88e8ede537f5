"""Truth that people drew, where it exists."""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from napari_construct.losses.bce_dice import bce_dice


def mask_truth(
    logits: Float[Tensor, "b 1 h w"],
    truth: Shaped[Tensor, "b 1 h w"],
    valid: Shaped[Tensor, "b 1 #h #w"] | None = None,
) -> Float[Tensor, ""]:
    r"""Binary cross-entropy plus soft Dice against labels, over the valid pixels.

    .. math:: L = BCE(z, t; v) + L_{Dice}(\sigma(z), t; v), \quad t_i = [l_i > 0]

    See :func:`~napari_construct.losses.bce_dice.bce_dice` for both parts. Source: ours; the usual objective
    of U-Nets (Isensee et al. 2021, nnU-Net).

    Parameters
    ----------
    logits : Tensor
        z of the foreground.
    truth : Tensor
        l: numbers of instances or a mask; above 0 is foreground.
    valid : Tensor, optional
        v: true (1) where the label counts: 0 for padding, and for all pixels of an image without truth.

    Returns
    -------
    Tensor
        Scalar >= 0; 0 where no pixel is valid.
    """
    return bce_dice(logits, truth > 0, valid)


class MaskTruth(nn.Module):
    """:func:`mask_truth` as a module."""

    def forward(self, logits: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
        return mask_truth(logits, truth, valid)
