"""Images of cells for training and for validation, without a common group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.splits import deal_groups
from napari_construct.exceptions import ConfigurationError, DatasetError


def split_groups(
    dataset: CellDataset, share: float = 0.2, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split whole groups so that about a share of the images, and of those with truth, is for validation.

    The way of :func:`~napari_construct.data.splits.split_groups`: groups in falling order of size go where
    the loads grow least.

    Parameters
    ----------
    dataset : CellDataset
        At least two groups.
    share : float
        Part of the images for validation, 0 to 1 without the ends.
    seed : int
        Order of groups of equal size.

    Returns
    -------
    train, val : ndarray
        Increasing indices; no image is in both, and none is empty.

    Raises
    ------
    ConfigurationError
        If the share is out of range.
    DatasetError
        If there is one group only.
    """
    if not 0 < share < 1:
        raise ConfigurationError(
            f"expected a share for validation between 0 and 1, got {share}; 0.2 is usual"
        )
    names = tuple(sorted(set(dataset.groups)))
    if len(names) < 2:
        raise DatasetError(
            f"expected at least 2 groups to split, got {len(names)} of {len(dataset)} image(s); give another "
            "pattern of groups, or a dataset of its own for validation"
        )
    position = {group: i for i, group in enumerate(names)}
    member = np.array([position[group] for group in dataset.groups], dtype=np.intp)
    truth = np.array(dataset.has_truth, dtype=np.uint8)[:, None]
    fold = deal_groups(truth, member, len(names), np.array([share, 1 - share]), seed)
    in_val = fold[member] == 0
    return np.flatnonzero(~in_val), np.flatnonzero(in_val)
