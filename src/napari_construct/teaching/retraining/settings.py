"""Settings of a retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_construct.settings import Settings
from napari_construct.training.config.parts import AugmentationConfig, NormStatistics, Share

_Rate = Annotated[float, Field(gt=0, le=10)]
_Weight = Annotated[float, Field(ge=0, le=1000)]


class RetrainSettings(Settings):
    """Settings of :func:`~napari_construct.teaching.retrain.retrain`.

    Parameters
    ----------
    steps, batch_size : int
        Optimiser steps; views of a step, of which half show corrections and half old data.
    learning_rate, encoder_learning_rate : float
        Of AdamW, for the head and for the encoder. The encoder is trained along where the model holds its
        weights and their licence allows that; None keeps it frozen.
    weight_decay : float
        Of AdamW.
    norm_statistics : {"auto", "batch", "frozen"}
        "frozen" keeps the statistics of batch normalisation; "batch" takes those of every batch, and in the
        end those of the corrected images and of the old data. "auto" is "batch" with old data, whose patches
        show more than a few images, and "frozen" without.
    replay : float
        Weight of the image-level labels of old data.
    keep : float or "auto"
        Weight of what the old model was sure of on the corrected images, away from what was corrected. "auto"
        is 3 without old data and 1 with it.
    min_confidence : float
        How sure the old model must have been, 0 to 1.
    average_from : float
        Share of the steps after which weights are averaged.
    held_out : float
        Share of the corrections that is left out, to score the model before and after; 0 learns from all.
    augmentation : AugmentationConfig
        Augmentation of the views.
    patch_mpp : float or None
        Micrometres per pixel of the old data's patches; None if unknown.
    first_class : {"auto", 0, 1}
        Value of the first class in validation masks, see
        :func:`~napari_construct.data.mask_values.mask_reading`.
    seed : int
        Of the left-out corrections, of order and augmentation. Equal seeds give equal models on a CPU.
    num_workers : int
        Threads that decode old patches, if not all fit into memory.
    memory_limit_mb : int
        Old patches are kept decoded in memory up to this many megabytes.
    """

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    batch_size: Annotated[int, Field(ge=2, le=4096)] = 16
    learning_rate: _Rate = 3e-4
    encoder_learning_rate: _Rate | None = 1e-4
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 2e-2
    norm_statistics: NormStatistics = "auto"
    replay: _Weight = 1.0
    keep: _Weight | Literal["auto"] = "auto"
    min_confidence: Share = 0.8
    average_from: Share = 0.3
    held_out: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    augmentation: AugmentationConfig = AugmentationConfig()
    patch_mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    first_class: Literal["auto", 0, 1] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    num_workers: Annotated[int, Field(ge=0, le=256)] = 2
    memory_limit_mb: Annotated[int, Field(ge=1)] = 2000
