"""What a set of images of cells offers, wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.channels.image import ChannelImage
from napari_construct.types import ShortRepr


@dataclass(frozen=True, slots=True, repr=False)
class CellItem(ShortRepr):
    """One image and, where it is known, its truth.

    Attributes
    ----------
    image : ChannelImage
        (c, h, w) channels.
    truth : ndarray or None
        (h, w) int32: 0 is background, every cell has a number of its own. None where nobody drew them.
    """

    image: ChannelImage
    truth: NDArray[np.int32] | None = None


@runtime_checkable
class CellDataset(Protocol):
    """Images of cells, loaded one at a time.

    Attributes
    ----------
    names : tuple of str
        One unique name per image.
    groups : tuple of str
        One per image: what must not be split (a patient, a slide, a field of view).
    channels : tuple of str
        Names of the channels, equal in all images.
    has_truth : tuple of bool
        One per image: whether instances are there.
    notices : tuple of str
        What was noticed while the files were looked through.
    fingerprint : str
        SHA-256 over names and contents.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def groups(self) -> tuple[str, ...]: ...

    @property
    def channels(self) -> tuple[str, ...]: ...

    @property
    def has_truth(self) -> tuple[bool, ...]: ...

    @property
    def notices(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def load(self, index: int) -> CellItem: ...
