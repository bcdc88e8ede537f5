"""Cross-validation on the training patches: each slide (patient) is left out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.splits import Split, group_names, split_groups
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, Steps
from napari_construct.exceptions import DatasetError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.calibration.labelled_logits import LabelledLogits, join, labelled_logits_steps
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.views.patches import load_patches

Fit: TypeAlias = Callable[[ImageLevelDataset], Steps[tuple[Checkpoint, Encoder | None]]]
"""Trains a model on some patches; returns the encoder, too, where the checkpoint does not hold it."""


def left_out_logits_steps(
    dataset: ImageLevelDataset,
    config: TrainingConfig,
    groups: str,
    fit: Fit,
    *,
    folds: int | None = None,
    device: str = "auto",
) -> Steps[LabelledLogits]:
    """Logits of every patch by a model trained without its group: those to expect on new slides.

    Parameters
    ----------
    dataset : ImageLevelDataset
        The training patches.
    config : TrainingConfig
        How patches are shown.
    groups : str
        Regular expression for the slide or patient in a file name, see
        :func:`~napari_construct.data.splits.group_names`.
    fit : callable
        Trains the model of a fold. An encoder trained on all patches has seen those left out; train it
        inside ``fit``.
    folds : int, optional
        Number of folds; by default one per group.
    device : str
        "auto", "cpu", "cuda" ...

    Yields
    ------
    Event
        Of the trainings; a ``Notice`` with the groups of each fold.

    Returns
    -------
    LabelledLogits
        Of patches, not of images: they tell how sure a model may be, but not the balance of its classes on
        images (docs/experiments.md).

    Raises
    ------
    DatasetError
        If no group can be left out without losing a class.
    """
    names = group_names(dataset.names, groups)
    splits = split_groups(dataset, groups, folds=folds or max(len(set(names)), 2))
    possible = [split for split in splits if _teaches_all(dataset.labels, split)]
    if not possible:
        raise DatasetError(
            f"expected patches of every class in at least two groups of {groups!r}, got a class whose "
            "patches are all in one fold; use validation patches instead"
        )
    parts = []
    for done, split in enumerate(possible):
        yield Notice("calibrate", done, len(possible), f"left out: {', '.join(split.val_groups)}")
        left_out = dataset.subset(split.val)
        checkpoint, encoder = yield from fit(dataset.subset(split.train))
        model = build_from_checkpoint(checkpoint, encoder).to(resolve_device(device))
        patches = yield from load_patches(left_out, config, model.spec)
        _, data = yield from labelled_logits_steps(model, patches, left_out.labels, resolve_device(device))
        if len(data.owners) == len(left_out):
            data = data.grouped([names[i] for i in split.val])
        parts.append(data)
    return join(parts)


def _teaches_all(labels: NDArray[np.uint8], split: Split) -> bool:
    """Whether every class keeps patches with and without it, as far as it has them at all."""
    kept = labels[split.train]
    with_it, without = kept.any(0) | ~labels.any(0), (1 - kept).any(0) | labels.all(0)
    return bool(with_it.all() and without.all())
