"""Data of a calibration: logits with known labels.

Image-level labels give the truth of a patch's pooled logits. In a patch of a single class they give that of
its cells, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_construct.events import Event, Steps
from napari_construct.models.network.construct import ConstructNet
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.training.views.augmentation import centre_view
from napari_construct.training.views.patches import PatchStore
from napari_construct.types import ShortRepr

CELLS_OF_A_PATCH: Final = 64
"""Cells that are kept of a patch, on an even grid; neighbours say the same."""

MOST_PATCHES: Final = 2000
"""Patches that are looked at, evenly spread."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelledLogits(ShortRepr):
    """Logits of patches and of cells of the CAM, with labels.

    Attributes
    ----------
    pooled : ndarray
        (n, k) float64, image-level logits of patches.
    labels : ndarray
        (n, k) uint8, 1 where the class occurs in the patch.
    cells : ndarray
        (m, k) float32, CAM logits of cells whose class is known.
    cell_classes : ndarray
        (m,) class of each cell.
    cell_owners : ndarray
        (m,) number of the patch or image that holds each cell; its cells share one weight.
    owners : ndarray
        Group (slide, patient) of every owner; an owner without one is its own group.
    """

    pooled: NDArray[np.float64]
    labels: NDArray[np.uint8]
    cells: NDArray[np.float32]
    cell_classes: NDArray[np.intp]
    cell_owners: NDArray[np.intp]
    owners: NDArray[np.intp]

    @property
    def n_classes(self) -> int:
        return int(self.labels.shape[1])

    def grouped(self, groups: Sequence[str]) -> LabelledLogits:
        """A copy with the slide or patient of every owner."""
        return replace(self, owners=np.unique(np.array(groups), return_inverse=True)[1].astype(np.intp))


def join(parts: Sequence[LabelledLogits]) -> LabelledLogits:
    """Concatenate several; owners and groups stay distinct."""
    first_owner = np.cumsum([0, *(len(part.owners) for part in parts)])
    first_group = np.cumsum([0, *(int(part.owners.max(initial=-1)) + 1 for part in parts)])
    return LabelledLogits(
        np.concatenate([part.pooled for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.cell_classes for part in parts]),
        np.concatenate([part.cell_owners + start for part, start in zip(parts, first_owner, strict=False)]),
        np.concatenate([part.owners + start for part, start in zip(parts, first_group, strict=False)]),
    )


def of_patches(
    pooled: Float[Tensor, "n k"], cams: Sequence[Float[Tensor, "k h w"]], labels: ArrayLike
) -> LabelledLogits:
    """From the pooled logits, CAMs and image-level labels of patches."""
    truth = np.array(labels, dtype=np.uint8)
    cells, classes, owners = [], [], []
    for i in np.flatnonzero(truth.sum(1) == 1).tolist():
        chosen = _spread(cams[i])
        cells.append(chosen)
        classes.append(np.full(len(chosen), truth[i].argmax(), dtype=np.intp))
        owners.append(np.full(len(chosen), i, dtype=np.intp))
    k = truth.shape[1]
    return LabelledLogits(
        pooled.double().cpu().numpy(),
        truth,
        np.concatenate(cells) if cells else np.zeros((0, k), dtype=np.float32),
        np.concatenate(classes) if classes else np.zeros(0, dtype=np.intp),
        np.concatenate(owners) if owners else np.zeros(0, dtype=np.intp),
        np.arange(len(truth)),
    )


def labelled_logits_steps(
    model: PixelNetwork,
    patches: PatchStore,
    labels: ArrayLike,
    device: torch.device,
    *,
    limit: int = MOST_PATCHES,
    batch_size: int = 32,
    levels: Callable[[Sequence[int]], tuple[Tensor, ...]] | None = None,
) -> Steps[tuple[NDArray[np.intp], LabelledLogits]]:
    """Logits of up to ``limit`` patches, evenly spread; returns their indices, too.

    Parameters
    ----------
    model : ConstructNet or UNet
        In any mode; runs in eval mode.
    patches : PatchStore
        The patches.
    labels : array_like
        (n, k) image-level labels of all patches.
    device : torch.device
        Device of the model.
    limit, batch_size : int
        Most patches; patches per batch.
    levels : callable, optional
        Returns stored levels of the encoder for indices of patches.
    """
    chosen = np.unique(np.linspace(0, len(patches) - 1, min(limit, len(patches))).round().astype(np.intp))
    was_training = model.training
    model.eval()
    pooled: list[Tensor] = []
    cams: list[Tensor] = []
    try:
        for start in range(0, len(chosen), batch_size):
            indices = chosen[start : start + batch_size].tolist()
            with torch.no_grad():
                if levels is not None and isinstance(model, ConstructNet):
                    output = model.head(levels(indices))
                else:
                    part = patches.batch(indices).to(device)
                    view = patches.view
                    output = model(centre_view(part, window=view.window, size=view.size))
            pooled.append(output.class_logits.float().cpu())
            cams.extend(torch.from_numpy(_grid(cam)) for cam in output.cam.float().cpu())
            yield Event("calibrate", min(start + batch_size, len(chosen)), len(chosen))
    finally:
        model.train(was_training)
    return chosen, of_patches(torch.cat(pooled), cams, np.asarray(labels)[chosen])


def _grid(cam: Float[Tensor, "k h w"]) -> NDArray[np.float32]:
    """An even grid of at most ``CELLS_OF_A_PATCH`` cells (k, gh, gw)."""
    side = int(CELLS_OF_A_PATCH**0.5)
    rows, columns = (((torch.arange(min(side, n)) + 0.5) * n / min(side, n)).long() for n in cam.shape[1:])
    grid: NDArray[np.float32] = cam[:, rows][:, :, columns].numpy()
    return grid


def _spread(cam: Float[Tensor, "k h w"]) -> NDArray[np.float32]:
    return _grid(cam).reshape(cam.shape[0], -1).T.astype(np.float32)
