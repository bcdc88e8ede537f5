"""Training with image-level labels: the objective, the trainer, calibration, the self-check.

Names are imported when first used: settings can be read without loading torch. The self-check is in
:mod:`~napari_construct.training.self_check`.
"""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "AugmentationConfig": "config",
    "LossWeights": "config",
    "TrainingConfig": "config",
    "TrainingTask": "task",
    "Batch": "batch",
    "train": "trainer",
}

__all__ = [
    "AugmentationConfig",
    "Batch",
    "LossWeights",
    "TrainingConfig",
    "TrainingTask",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
