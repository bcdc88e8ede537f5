"""The batch of every step, drawn anew from patches."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.training.augmentation import augment
from napari_construct.training.batch import Batch, mosaic_batch
from napari_construct.training.config import TrainingConfig
from napari_construct.training.mosaic import paste
from napari_construct.training.patches import PatchStore
from napari_construct.training.processes import Processes
from napari_construct.training.randomness import generator
from napari_construct.training.sampling import Sampler


@runtime_checkable
class Batches(Protocol):
    """What a run takes its steps from: a function of seed and step, so that nothing has to be stored."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which an epoch's patches are seen."""
        ...

    def batch(self, step: int) -> Batch:
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

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    def batch(self, step: int) -> Batch:
        seed, indices = self.config.seed, self.sampler.indices(step)
        patches = self.patches.batch(indices, generator(seed, "cut", step)).to(self.device)
        images = augment(
            patches,
            self.config.augmentation,
            window=self.patches.view.window,
            size=self.patches.view.size,
            generator=generator(seed, "augmentation", step),
        )
        labels = self.labels[indices].to(self.device)
        share = self.config.augmentation.mosaic
        if not share:
            return Batch(images, labels).part(self.processes.part(len(indices)))
        images, pasted, partner = paste(images, share, generator(seed, "mosaic", step))
        return mosaic_batch(images, labels, pasted, labels[partner]).part(self.processes.part(len(indices)))
