"""Old data, seen again so that a model does not forget it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import EncoderSpec
from napari_construct.events import Steps
from napari_construct.losses.partial_labels import PartialLabels
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.preparation import label_tensor, make_sampler
from napari_construct.training.objective.part_logits import cell_losses
from napari_construct.training.processes import Processes
from napari_construct.training.views.batch import TrainingBatch
from napari_construct.training.views.batches import DrawnBatches
from napari_construct.training.views.patches import PatchStore, load_patches
from napari_construct.training.views.sheets import Sheets


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Patches with image-level labels, as the first stage learns from them.

    Attributes
    ----------
    dataset : ImageLevelDataset
        The labels.
    patches : PatchStore
        The images.
    batches : DrawnBatches
        What a step sees.
    sheets : Sheets
        What their slides look like.
    partial : PartialLabels
        The loss of cells, balanced over sets of labels.
    presence : float
        Weight of the loss of classes that are nowhere in their patch.
    """

    dataset: ImageLevelDataset
    patches: PatchStore
    batches: DrawnBatches
    sheets: Sheets
    partial: PartialLabels
    presence: float

    def loss(self, cam: Tensor, batch: TrainingBatch) -> Tensor:
        """Of the CAM of a batch."""
        found = cell_losses(cam, batch, self.partial)
        return found.partial + self.presence * found.presence


def replay_steps(
    dataset: ImageLevelDataset, config: TrainingConfig, spec: EncoderSpec, device: torch.device
) -> Steps[Replay]:
    """Read the patches.

    Parameters
    ----------
    dataset : ImageLevelDataset
        Patches with the model's classes.
    config : TrainingConfig
        How they are shown and drawn; ``batch_size`` is the old data's part of a batch.
    spec : EncoderSpec
        Of the encoder.
    device : torch.device
        Where views are made.
    """
    patches = yield from load_patches(dataset, config, spec)
    labels, sampler = label_tensor(dataset), make_sampler(dataset, config)
    return Replay(
        dataset,
        patches,
        DrawnBatches(patches, labels, sampler, config, device, Processes()),
        Sheets(patches, dataset.labels, dataset.groups, config.seed, spec.multiple),
        PartialLabels(sampler.expected_labels(labels)).to(device),
        config.weights.presence,
    )
