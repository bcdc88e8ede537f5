"""Some images of a dataset, in any order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from napari_construct.data.cells.dataset import CellDataset, CellItem
from napari_construct.exceptions import DatasetError
from napari_construct.types import ShortRepr


@dataclass(frozen=True, repr=False)
class CellSubset(ShortRepr):
    """Images of another dataset; a :class:`~napari_construct.data.cells.dataset.CellDataset`.

    Attributes
    ----------
    whole : CellDataset
        The dataset.
    indices : tuple of int
        Which of its images, in this order.
    """

    whole: CellDataset
    indices: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def names(self) -> tuple[str, ...]:
        names = self.whole.names
        return tuple(names[i] for i in self.indices)

    @property
    def groups(self) -> tuple[str, ...]:
        groups = self.whole.groups
        return tuple(groups[i] for i in self.indices)

    @property
    def channels(self) -> tuple[str, ...]:
        return self.whole.channels

    @property
    def has_truth(self) -> tuple[bool, ...]:
        known = self.whole.has_truth
        return tuple(known[i] for i in self.indices)

    @property
    def notices(self) -> tuple[str, ...]:
        return self.whole.notices

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the fingerprint of the whole, and the names of these images."""
        key = "\n".join((self.whole.fingerprint, *self.names))
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()

    def load(self, index: int) -> CellItem:
        """One of these images."""
        return self.whole.load(self.indices[index])


def subset(dataset: CellDataset, indices: ArrayLike) -> CellDataset:
    """The images at ``indices`` (integers, or a mask of n booleans), in that order.

    Raises
    ------
    DatasetError
        If an index is none of the dataset, or occurs twice.
    """
    given = np.asarray(indices)
    wanted = np.flatnonzero(given) if given.dtype == np.bool_ else given
    fits = given.ndim == 1 and (given.dtype != np.bool_ or len(given) == len(dataset))
    if not fits or (wanted.size and wanted.dtype.kind not in "iu"):
        raise DatasetError(
            f"expected indices of images, or {len(dataset)} booleans, got {given.dtype} {given.shape}; give "
            "integers"
        )
    chosen = tuple(int(i) for i in wanted)
    if chosen and not (min(chosen) >= 0 and max(chosen) < len(dataset)):
        raise DatasetError(
            f"expected indices from 0 to {len(dataset) - 1}, got {min(chosen)} to {max(chosen)}; correct them"
        )
    if len(set(chosen)) < len(chosen):
        raise DatasetError("expected every image once, got an index twice; remove it")
    return CellSubset(dataset, chosen)
