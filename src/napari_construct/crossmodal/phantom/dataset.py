"""The phantom as a set of images of cells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from napari_construct.crossmodal.phantom.generate import phantom
from napari_construct.crossmodal.phantom.settings import PhantomSettings
from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.channels.image import ChannelImage
from napari_construct.exceptions import ConfigurationError

VERSION = 1
"""Of the generator: raised when the same seed gives another image."""


class PhantomDataset:
    """Images of :func:`~napari_construct.crossmodal.phantom.generate.phantom`, made when they are asked for.

    A :class:`~napari_construct.data.cells.dataset.CellDataset`.

    Parameters
    ----------
    seeds : int or sequence of int
        Seeds of the images; a number n means the seeds 0 to n - 1.
    shape : tuple of int
        Height and width.
    settings : PhantomSettings, optional
        Of all images.
    groups : sequence of str, optional
        One per image; each image is its own group by default.
    """

    channels = ("nuclear", "membrane")
    notices: tuple[str, ...] = ()

    def __init__(
        self,
        seeds: int | Sequence[int],
        shape: tuple[int, int] = (256, 256),
        settings: PhantomSettings | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        self.shape = (int(shape[0]), int(shape[1]))
        self.settings = settings or PhantomSettings()
        self.names = tuple(f"phantom-{seed}" for seed in self.seeds)
        self.groups = self.names if groups is None else tuple(groups)
        if len(set(self.seeds)) != len(self.seeds) or len(self.groups) != len(self.seeds):
            raise ConfigurationError(
                f"expected seeds that differ and one group for each, got {len(self.seeds)} seeds "
                f"({len(set(self.seeds))} different) and {len(self.groups)} groups; leave groups out"
            )
        self.has_truth = (True,) * len(self.seeds)
        told = f"{VERSION}/{self.seeds}/{self.shape}/{self.settings.model_dump_json()}"
        self.fingerprint = hashlib.sha256(told.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.seeds)

    def load(self, index: int) -> CellItem:
        """Channels and whole cells of one image."""
        made = phantom(self.seeds[index], self.shape, self.settings)
        name = Path(f"{self.names[index]}.tif")
        return CellItem(ChannelImage(made.channels, made.names, made.mpp, (), name), made.instances)
