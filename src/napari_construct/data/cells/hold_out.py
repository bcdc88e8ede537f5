"""Images for training and images that are held out for scores."""

from __future__ import annotations

from typing import Final

from napari_construct.data.cells.dataset import CellDataset
from napari_construct.data.cells.listed import ListedCells
from napari_construct.data.cells.open_cells import stated_split
from napari_construct.data.cells.split import split_groups
from napari_construct.data.cells.subset import subset

LEAST: Final = 8
"""Images from which some are held out."""


def hold_out(dataset: CellDataset, share: float) -> tuple[CellDataset, CellDataset | None]:
    """Training and held-out images: as folders say it, or a share of the groups, whole ones.

    The same share of the same images for every training, so that seeds can be compared.

    Parameters
    ----------
    dataset : CellDataset
        All images.
    share : float
        Part to hold out, 0 to 1.

    Returns
    -------
    train, val : CellDataset
        ``val`` is None where nothing is held out: ``share`` is 0, or there are fewer than 8 images.

    Raises
    ------
    DatasetError
        If all images are of one group.
    """
    stated = stated_split(dataset) if isinstance(dataset, ListedCells) else None
    if stated is None and (not share or len(dataset) < LEAST):
        return dataset, None
    train, held_out = stated or split_groups(dataset, share, 0)
    return subset(dataset, train), subset(dataset, held_out)
