"""Pseudo labels: classes that the averaged network gives to cells of mixed patches.

The label of a patch with several classes only gives the classes that its cells may have
(:mod:`~napari_construct.losses.partial_labels`). If most patches are mixed, most cells teach little. So the
network first learns from patches of one class. Then its average over steps predicts mixed patches without
augmentation, in four mirror images. Cells with a confident class, among the classes of the patch, get it as
pseudo label. From then on they are trained on like labelled cells, under augmented views. Source: pseudo
labels (Lee 2013) of an averaged teacher under weak augmentation for a student under strong augmentation
(Tarvainen and Valpola 2017; Sohn et al. 2020).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from napari_construct.events import Event, Steps
from napari_construct.training.views.augmentation import centre_view
from napari_construct.training.views.partial_masks import UNKNOWN
from napari_construct.training.views.patches import PatchStore

_MIRRORED: Final = ((), (-1,), (-2,), (-2, -1))
"""Axes of the mirror images that are looked at."""


def pseudo_label_rounds_due(step: int, steps: int, start: float, rounds: int) -> int:
    """Rounds of pseudo labels that are due at ``step`` of ``steps``; the first at the share ``start``."""
    shares = (start + (1 - start) * number / rounds for number in range(rounds))
    return sum(step >= round(share * steps) for share in shares)


def pseudo_label_steps(
    model: nn.Module,
    patches: PatchStore,
    labels: Float[Tensor, "n k"],
    confidence: float,
    device: torch.device,
    *,
    batch_size: int = 32,
) -> Steps[UInt8[Tensor, "n gh gw"]]:
    """Pseudo labels of the cells of patches with several classes.

    Parameters
    ----------
    model : Module
        Its output has ``cam`` (b, k, gh, gw). In any mode; runs in eval mode.
    patches : PatchStore
        The patches.
    labels : Tensor
        (n, k) image-level labels of all patches.
    confidence : float
        Least probability among the classes of the patch at which a cell gets a label.
    device : torch.device
        Device of the model.
    batch_size : int
        Patches per batch.

    Returns
    -------
    Tensor
        (n, gh, gw) uint8 on the CPU, the class of each cell of the CAM of a patch's central view,
        ``UNKNOWN`` in cells without a label and in patches of fewer than two classes.
    """
    mixed = torch.nonzero(labels.cpu().sum(1) > 1)[:, 0].tolist()
    named: UInt8[Tensor, "n gh gw"] = torch.full((len(labels), 1, 1), UNKNOWN, dtype=torch.uint8)
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(mixed), batch_size):
            chosen = mixed[start : start + batch_size]
            found = _named(model, _views(patches, chosen, device), labels[chosen].to(device), confidence)
            if start == 0:
                named = torch.full((len(labels), *found.shape[1:]), UNKNOWN, dtype=torch.uint8)
            named[chosen] = found.cpu()
            yield Event("pseudo labels", min(start + batch_size, len(mixed)), len(mixed))
    finally:
        model.train(was_training)
    return named


@torch.no_grad()
def _named(
    model: nn.Module, images: Float[Tensor, "b 3 s s"], labels: Float[Tensor, "b k"], confidence: float
) -> UInt8[Tensor, "b gh gw"]:
    forbidden = (labels <= 0)[:, :, None, None]
    total = torch.zeros(())
    for axes in _MIRRORED:
        cam = model(images.flip(axes)).cam.float().flip(axes)
        total = total.to(cam) + cam.masked_fill(forbidden, -torch.inf).softmax(1)
    sureness, named = (total / len(_MIRRORED)).max(1)
    return named.masked_fill(sureness < confidence, UNKNOWN).to(torch.uint8)


def _views(patches: PatchStore, chosen: list[int], device: torch.device) -> Float[Tensor, "b 3 s s"]:
    view = patches.view
    return centre_view(patches.batch(chosen).to(device), window=view.window, size=view.size)
