"""Calibration by cross-validation on the training patches.

Each slide (patient) is left out once: a model is trained without it and scores its patches. Together these
scores are those to expect on new slides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.splits import Split, group_names, split_groups
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, Steps
from napari_construct.exceptions import DatasetError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.calibration import Calibration
from napari_construct.training.calibration.fit_calibration import fit_calibration
from napari_construct.training.calibration.labelled_logits import LabelledLogits, join, labelled_logits_steps
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.views.patches import load_patches

Fit: TypeAlias = Callable[[ImageLevelDataset], Steps[tuple[Checkpoint, Encoder | None]]]
"""Trains a model on some patches; returns the encoder, too, where the checkpoint does not hold it."""


def calibrate_left_out_steps(
    dataset: ImageLevelDataset,
    config: TrainingConfig,
    groups: str,
    *,
    folds: int | None = None,
    fit: Fit | None = None,
    classes: ClassTable | None = None,
    encoder: Encoder | None = None,
    teacher: Encoder | None = None,
    offsets: bool = True,
    device: str = "auto",
) -> Steps[Calibration]:
    """Temperature, class offsets and presence thresholds by leave-one-slide-out cross-validation.

    Parameters
    ----------
    dataset : ImageLevelDataset
        The training patches.
    config : TrainingConfig
        Settings of the model that will be calibrated.
    groups : str
        Regular expression for the slide or patient in a file name, see
        :func:`~napari_construct.data.splits.group_names`.
    folds : int, optional
        Number of folds; by default one per group.
    fit : callable, optional
        Trains the model of a fold; ``train_steps`` with ``config``, ``classes``, ``encoder`` and ``teacher``
        by default. An encoder trained on all patches has seen those left out; train it inside ``fit``.
    classes, encoder, teacher : optional
        For the default ``fit``.
    offsets : bool
        Whether class offsets are fitted.
    device : str
        "auto", "cpu", "cuda" ...

    Yields
    ------
    Event
        Of the trainings; a ``Notice`` with the groups of each fold.

    Returns
    -------
    Calibration
        For a model trained on all patches with the same settings.

    Raises
    ------
    DatasetError
        If no group can be left out without losing a class.
    """

    def default(part: ImageLevelDataset) -> Steps[tuple[Checkpoint, Encoder | None]]:
        made = yield from train_steps(
            part, config, classes=classes, encoder=encoder, teacher=teacher, device=device
        )
        return made, encoder

    data = yield from left_out_logits_steps(
        dataset, config, groups, fit or default, folds=folds, device=device
    )
    return fit_calibration(data, offsets=offsets)


def left_out_logits_steps(
    dataset: ImageLevelDataset,
    config: TrainingConfig,
    groups: str,
    fit: Fit,
    *,
    folds: int | None = None,
    device: str = "auto",
) -> Steps[LabelledLogits]:
    """Logits of every patch by a model trained without its group; see :func:`calibrate_left_out_steps`."""
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
