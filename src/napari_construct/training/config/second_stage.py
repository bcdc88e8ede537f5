"""Every number of the second stage, in one frozen object."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_construct.crf import CRFParameters
from napari_construct.models.network.calibration import ViewsName
from napari_construct.settings import Settings
from napari_construct.training.config.config import AugmentationConfig

_Share = Annotated[float, Field(ge=0, le=1)]

FIRST = "first"


class SecondStageConfig(Settings):
    """Settings of the second stage.

    Parameters
    ----------
    encoder : str
        ``first`` starts from the first stage's own encoder; ``smp:NAME`` (``smp:resnet18``,
        ``smp:mit_b0`` ...) from random weights; anything else is an id of the catalogue.
    width : int
        Channels of the decoder.
    steps, batch_size : int
        Optimiser steps; patches in each.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over a tenth of the steps and then stays.
    encoder_learning_rate : float or None
        None keeps the encoder frozen, as does a licence that forbids storing its weights.
    average_from : float
        Share of the steps after which weights are averaged over all steps. Averages generalise to other
        slides better than any single step (Cha et al. 2021).
    min_confidence : float
        Pixels to which the first stage, asked for all classes, gives their pseudo label with a smaller
        probability are left out.
    views : {"one", "four", "six"} or None
        Views that the first stage averages; None takes what its calibration found best.
    crf : CRFParameters, "auto" or None
        Refinement of the pseudo masks; "auto" is what suits the first stage, as for a segmentation.
    augmentation : AugmentationConfig
        Views of the patches, mosaics included.
    patch_mpp : float or None
        Micrometres per pixel of the patches on disk, where known.
    seed : int
        Of initial values, order and augmentation.
    num_workers : int
        Threads that decode patches, where not all of them fit into memory.
    memory_limit_mb : int
        Of patches and pseudo masks together. Of more patches, an even selection is used.
    """

    encoder: str = FIRST
    width: Annotated[int, Field(ge=4, le=1024)] = 64
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 2e-2
    encoder_learning_rate: Annotated[float, Field(gt=0, le=10)] | None = 3e-4
    average_from: _Share = 0.3
    min_confidence: _Share = 0.5
    views: ViewsName | None = None
    crf: CRFParameters | Literal["auto"] | None = "auto"
    augmentation: AugmentationConfig = AugmentationConfig()
    patch_mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    num_workers: Annotated[int, Field(ge=0, le=256)] = 2
    memory_limit_mb: Annotated[int, Field(ge=1)] = 2000
