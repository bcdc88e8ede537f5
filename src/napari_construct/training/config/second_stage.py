"""Settings of the second stage."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from napari_construct.crf import CRFParameters
from napari_construct.models.network.calibration import ViewsName
from napari_construct.settings import Settings
from napari_construct.training.config.config import AugmentationConfig
from napari_construct.training.config.parts import NormStatistics

_Share = Annotated[float, Field(ge=0, le=1)]

AUTO: Final = "auto"
FIRST: Final = "first"


class SecondStageConfig(Settings):
    """Settings of the second stage.

    Parameters
    ----------
    encoder : str
        ``first`` starts from the first stage's own encoder as it was trained; ``smp:NAME``
        (``smp:resnet18``, ``smp:mit_b0`` ...) from random weights; anything else is an id of the catalogue,
        with its weights. ``auto`` is ``first`` where that is "lite0", "lite1" or "lite2", and the bundled,
        pre-trained "lite0" of all other first stages.
    width : int
        Channels of the decoder.
    steps, batch_size : int
        Optimiser steps; patches per step.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over the first tenth of the steps, then stays constant.
    encoder_learning_rate : float or None
        None keeps the encoder frozen. So does a licence that forbids storing its weights.
    norm_statistics : {"auto", "batch", "frozen"}
        As of :class:`~napari_construct.training.config.config.TrainingConfig`.
    average_from : float
        Share of the steps after which weights are averaged over all steps. Averages generalise to other
        slides better than any single step (Cha et al. 2021).
    min_confidence : float
        Pixels whose pseudo label has a smaller probability are left out; the first stage computes it over all
        classes.
    views : {"one", "four", "six"} or None
        Views that the first stage averages; None takes the number that its calibration found best.
    crf : CRFParameters, "auto" or None
        Refinement of the pseudo masks; "auto" follows the first stage's calibration, as for a segmentation.
    augmentation : AugmentationConfig
        Augmentation of the patches, mosaics included.
    patch_mpp : float or None
        Micrometres per pixel of the patches on disk; None if unknown.
    first_class : {"auto", 0, 1}
        Value of the first class in validation masks, see
        :func:`~napari_construct.data.mask_values.mask_reading`.
    mask_order : tuple of str or None
        Classes in the order of the values in validation masks, where it is not that of the first stage.
    seed : int
        Of initial values, order and augmentation.
    num_workers : int
        Threads that decode patches, if not all fit into memory.
    memory_limit_mb : int
        Largest memory of patches and pseudo masks together. If they need more, an evenly spaced selection is
        used.
    """

    encoder: str = AUTO
    width: Annotated[int, Field(ge=4, le=1024)] = 64
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 2e-2
    encoder_learning_rate: Annotated[float, Field(gt=0, le=10)] | None = 3e-4
    norm_statistics: NormStatistics = "auto"
    average_from: _Share = 0.3
    min_confidence: _Share = 0.5
    views: ViewsName | None = None
    crf: CRFParameters | Literal["auto"] | None = "auto"
    augmentation: AugmentationConfig = AugmentationConfig()
    patch_mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    first_class: Literal["auto", 0, 1] = "auto"
    mask_order: tuple[str, ...] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    num_workers: Annotated[int, Field(ge=0, le=256)] = 2
    memory_limit_mb: Annotated[int, Field(ge=1)] = 2000
