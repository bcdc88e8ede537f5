"""The batch of every step, drawn from patches."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.processes import Processes
from napari_construct.training.randomness import generator
from napari_construct.training.views.augmentation import augment, augment_with_masks
from napari_construct.training.views.batch import TrainingBatch, mosaic_batch
from napari_construct.training.views.mosaic import paste
from napari_construct.training.views.partial_masks import at_pixels
from napari_construct.training.views.patches import PatchStore
from napari_construct.training.views.sampling import Sampler


@runtime_checkable
class Batches(Protocol):
    """What a run takes its steps from: a function of seed and step, so that nothing has to be stored."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which an epoch's patches are seen."""
        ...

    def batch(self, step: int) -> TrainingBatch:
        """The batch of a step of the whole run, counted from 0; with several processes this one's part."""
        ...


class DrawnBatches:
    """Views with fresh augmentation in every step.

    Stain swaps and mosaics take their partners from the whole batch, so every process makes all views and
    keeps its part; encoding, not augmentation, is what takes time.

    Parameters
    ----------
    patches : PatchStore
        The images.
    labels : Tensor
        (n, k) float.
    sampler : Sampler
        Which patches a step sees.
    config : TrainingConfig
        Seed and augmentation.
    device : torch.device
        Where views are made.
    processes : Processes
        Who shares a batch.

    Attributes
    ----------
    pseudo_labels : Tensor or None
        (n, gh, gw) uint8, classes of cells of the patches, once some are named.
    """

    def __init__(
        self,
        patches: PatchStore,
        labels: Float[Tensor, "n k"],
        sampler: Sampler,
        config: TrainingConfig,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.patches, self.labels, self.sampler = patches, labels, sampler
        self.config, self.device, self.processes = config, device, processes
        self.pseudo_labels: UInt8[Tensor, "n gh gw"] | None = None

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    def batch(self, step: int) -> TrainingBatch:
        seed, indices, share = self.config.seed, self.sampler.indices(step), self.config.augmentation.mosaic
        images, named = self._views(indices, step)
        labels = self.labels[indices].to(self.device)
        batch = TrainingBatch(images, labels, pseudo_labels=named)
        if share:
            images, pasted, partner = paste(images, share, generator(seed, "mosaic", step))
            batch = mosaic_batch(images, labels, pasted, labels[partner])
            if named is not None:
                batch = replace(batch, pseudo_labels=torch.where(pasted, named[partner], named))
        return batch.part(self.processes.part(len(indices)))

    def _views(self, indices: list[int], step: int) -> tuple[Tensor, Tensor | None]:
        """Views of patches, and with pseudo labels the masks that go with them."""
        seed, view = self.config.seed, self.patches.view
        random = generator(seed, "augmentation", step)
        if self.pseudo_labels is None:
            patches = self.patches.batch(indices, generator(seed, "cut", step)).to(self.device)
            images = augment(
                patches, self.config.augmentation, window=view.window, size=view.size, generator=random
            )
            return images, None
        # pseudo labels lie in the centre of a patch, so that is where a larger patch is cut
        patches = self.patches.batch(indices).to(self.device)
        masks = at_pixels(self.pseudo_labels[indices].to(self.device), view)
        return augment_with_masks(
            patches, masks, self.config.augmentation, window=view.window, size=view.size, generator=random
        )
