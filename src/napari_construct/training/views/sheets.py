"""Training patches side by side, in images as large as the tiles in which images are segmented.

Statistics of batch normalisation that come from small and changed views do not fit images: on GlaS they
shift the balance of the classes by 1.2 to 1.7 logits (docs/experiments.md). Sheets look like an image of one
slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.training.randomness import full_batch
from napari_construct.training.views.augmentation import whole_patches
from napari_construct.training.views.patches import PatchStore

SIDE: Final = 512
"""Side of a sheet in pixels, at most: that of a tile; a larger patch is a sheet of its own, cut to it."""

SHEETS: Final = 20
"""Most sheets."""

SHOWN: Final = 4
"""How often a patch is shown where patches are few, in the mean."""


@runtime_checkable
class SheetSource(Protocol):
    """What images look like, for statistics of normalisation."""

    def __len__(self) -> int: ...

    def sheet(self, number: int) -> Float[Tensor, "1 3 y x"]:
        """One of them, RGB in [0, 1] at the network's resolution; the same for the same number."""
        ...


class Sheets:
    """Images of patches side by side.

    Every sheet shows patches of one group (slide, patient), all of them equally often, groups in turn.
    Groups whose patches all have the same classes show no boundary and are left out; where no group is left,
    or none is known, all patches are one group.

    Parameters
    ----------
    patches : PatchStore
        The patches.
    labels : ndarray
        (n, k) image-level labels.
    groups : sequence of str or None
        Slide or patient of every patch.
    seed : int
        Of the patches and their places.
    multiple : int
        Sides are multiples of it.
    """

    def __init__(
        self,
        patches: PatchStore,
        labels: NDArray[np.uint8],
        groups: Sequence[str] | None,
        seed: int,
        multiple: int = 1,
    ) -> None:
        self._patches, self._seed, self._multiple = patches, seed, multiple
        self._pools = _pools(labels, groups)
        self._across = max(1, SIDE // max(round(side * patches.view.enlarged) for side in patches.view.side))

    def __len__(self) -> int:
        return min(SHEETS, -(-SHOWN * len(self._patches) // self._across**2))

    @property
    def area(self) -> float:
        """Of all sheets, in patches."""
        return float(len(self) * self._across**2)

    def sheet(self, number: int) -> Float[Tensor, "1 3 y x"]:
        """A sheet, RGB in [0, 1] at the network's resolution; the same for the same number."""
        turn, group = divmod(number, len(self._pools))
        pool = self._pools[group]
        chosen = pool[full_batch(turn, self._across**2, len(pool), self._seed)].tolist()
        whole = whole_patches(self._patches.batch(chosen), self._patches.view.enlarged)
        sheet = torch.cat([torch.cat(list(row), -1) for row in whole.split(self._across)], -2)[None]  # type: ignore[no-untyped-call]
        y, x = (min(side, SIDE) // self._multiple * self._multiple for side in sheet.shape[-2:])
        top, left = (sheet.shape[-2] - y) // 2, (sheet.shape[-1] - x) // 2
        return sheet[..., top : top + y, left : left + x]


def _pools(labels: NDArray[np.uint8], groups: Sequence[str] | None) -> list[NDArray[np.intp]]:
    """Patches of every group, by their indices."""
    names = np.array(groups or [""] * len(labels))
    found = [np.flatnonzero(names == name) for name in np.unique(names)]
    varied = [pool for pool in found if len(np.unique(labels[pool], axis=0)) > 1]
    return varied or [np.arange(len(labels))]
