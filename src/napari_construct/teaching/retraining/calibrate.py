"""Calibration of a retrained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from napari_construct.inference.activation.predictor import Predictor
from napari_construct.losses.partial_cross_entropy import UNKNOWN
from napari_construct.models.network.calibration import Calibration
from napari_construct.teaching.retraining.held_out import Split, painted_by
from napari_construct.teaching.retraining.looks import Look
from napari_construct.training.calibration.fit_calibration import fit_softmax
from napari_construct.training.calibration.labelled_logits import join
from napari_construct.training.calibration.masked_logits import of_activation

LEAST_STROKES: Final = 10
"""Fewer left-out strokes fit no temperature."""


def with_temperature(
    calibration: Calibration, left: Split, looks: Mapping[int, Look], predictor: Predictor
) -> Calibration:
    """The calibration with a temperature fitted on left-out strokes, where there are enough of two classes.

    Class offsets shift the logits as far as before, so no mask changes: scores on these strokes stay honest.
    """
    if len(left.left_out) < LEAST_STROKES or len({s.of_class for s in left.left_out}) < 2:
        return calibration
    parts = []
    for image in left.images:
        activation = looks[image].activation
        painted = painted_by(left.left_out, image, activation.shape)
        truth = np.where(painted > 0, painted - 1, UNKNOWN).astype(np.uint8)
        parts.append(of_activation(activation, truth, predictor))
    known = [part for part in parts if len(part.cells)]
    if not known:
        return calibration
    cells = join(known)
    if len(np.unique(cells.cell_classes)) < 2:
        return calibration
    offsets = np.array(calibration.class_offsets or (0.0,) * cells.n_classes)
    shown = (cells.cells / calibration.temperature + offsets).astype(np.float32)
    factor, _ = fit_softmax(replace(cells, cells=shown))  # its prior holds it near the old temperature
    temperature = min(calibration.temperature * factor, 1000.0)
    kept = tuple((np.array(calibration.class_offsets) / factor).tolist())
    return calibration.model_copy(update={"temperature": temperature, "class_offsets": kept})
