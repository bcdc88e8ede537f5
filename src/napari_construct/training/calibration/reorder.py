"""Read the masks of a validation in another order of the classes, after training.

The weights know nothing of the masks. Only the scores and what was fitted to the masks change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.metrics.class_order import reordered
from napari_construct.metrics.segmentation import Confusion
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.calibration.recalibrate import recalibrate_steps
from napari_construct.training.calibration.validation import (
    MaskedImages,
    mask_scores_steps,
    scores_of_counts,
)


def reorder_steps(
    checkpoint: Checkpoint,
    data: MaskedImages,
    order: Sequence[int],
    matrix: Confusion | None = None,
    *,
    refit: bool = True,
    encoder: Encoder | None = None,
    device: str = "auto",
) -> Steps[Checkpoint]:
    """The checkpoint with the scores and the calibration of another reading of its validation masks.

    Parameters
    ----------
    checkpoint : Checkpoint
        A trained model.
    data : MaskedImages
        Its validation images, with the new order.
    order : sequence of int
        Class that each class of the earlier reading truly is.
    matrix : ndarray, optional
        (k, k + 1) counts of the earlier reading: the new scores follow at once. The images are scored again
        by default, after the fit.
    refit : bool
        Whether offsets, temperature, thresholds, views and CRF were fitted to the masks: then they are
        fitted again.
    encoder : Encoder, optional
        Of the checkpoint, if the catalogue cannot load it.
    device : str
        Device of the model.
    """
    stale = ("val_miou", "val_miou_oracle", "val_iou/")
    metrics: dict[str, Any] = {n: v for n, v in checkpoint.metrics.items() if not n.startswith(stale)}
    if matrix is not None:
        metrics |= scores_of_counts(reordered(matrix, order), checkpoint.classes.names)
    training: dict[str, Any] = dict(checkpoint.training)
    identity = dict(training.get("identity", {}))
    if "config" in identity:
        asked = list(data.order or checkpoint.classes.names)
        identity["config"] = {**identity["config"], "mask_order": asked}
        training["identity"] = identity
    made = replace(checkpoint, metrics=metrics, training=training)
    if refit:
        made = yield from recalibrate_steps(made, data, offsets=True, encoder=encoder, device=device)
    if matrix is None:
        scores = yield from mask_scores_steps(data, Predictor(made, device, encoder=encoder))
        made = replace(made, metrics={**made.metrics, **scores})
    return made
