"""napari-construct: weakly supervised tissue segmentation.

Importing the package loads neither torch nor napari nor Qt; names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ClassTable": "classes",
    "ConstructError": "exceptions",
    "EvaluationReport": "evaluation.report.report",
    "SegmentSettings": "inference.settings",
    "SegmentationResult": "results.result",
    "TissueClass": "classes",
    "TrainingConfig": "training.config.config",
    "ZeroShotSettings": "inference.zero_shot.settings",
    "evaluate": "evaluation.evaluate",
    "load_dataset": "data.image_level",
    "load_model": "inference.loading",
    "run": "events",
    "segment": "inference.segment",
    "train": "training.loop.train",
}

__all__ = [
    "ClassTable",
    "ConstructError",
    "EvaluationReport",
    "SegmentSettings",
    "SegmentationResult",
    "TissueClass",
    "TrainingConfig",
    "ZeroShotSettings",
    "__version__",
    "evaluate",
    "load_dataset",
    "load_model",
    "run",
    "segment",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
