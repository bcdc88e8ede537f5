"""napari-construct: weakly supervised tissue segmentation.

Importing the package loads neither torch nor napari nor Qt; names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "BatchReport": "batch.report",
    "BatchSettings": "batch.settings",
    "CRFParameters": "crf",
    "CellReport": "evaluation.cells.report",
    "CellResult": "results.cells",
    "CellSettings": "inference.cells.settings",
    "ChannelCheckpoint": "models.checkpoints.channel_checkpoint",
    "Checkpoint": "models.checkpoints.checkpoint",
    "ClassTable": "classes",
    "ConstructError": "exceptions",
    "DistilConfig": "crossmodal.config",
    "DownloadSettings": "encoders.catalogue.download",
    "EvaluationReport": "evaluation.report.report",
    "Predictor": "inference.activation.predictor",
    "PrototypeSettings": "inference.prototypes.settings",
    "SecondStageConfig": "training.config.second_stage",
    "SegmentSettings": "inference.settings",
    "SegmentationResult": "results.result",
    "StoredResult": "results.result",
    "TissueClass": "classes",
    "TrainingConfig": "training.config.config",
    "ZeroShotSettings": "inference.zero_shot.settings",
    "add_guard": "training.calibration.guard",
    "array_cells": "data.cells.arrays",
    "array_teacher": "crossmodal.teachers.arrays",
    "confusion_matrix": "metrics.segmentation",
    "decide_again": "inference.cells.evidence",
    "dense_crf": "crf",
    "distil": "crossmodal.distil",
    "download_encoder": "encoders.catalogue.download",
    "evaluate": "evaluation.evaluate",
    "evaluate_cells": "evaluation.cells.evaluate",
    "hold_out": "data.cells.hold_out",
    "load_cell_model": "inference.cells.loading",
    "load_channel_checkpoint": "models.checkpoints.channel_checkpoint",
    "load_checkpoint": "models.checkpoints.checkpoint",
    "load_dataset": "data.image_level",
    "load_model": "inference.loading",
    "load_result": "results.read",
    "load_teacher": "crossmodal.teachers.catalogue",
    "load_zero_shot": "inference.zero_shot.predictor",
    "open_cells": "data.cells.open_cells",
    "prototype_maps": "inference.prototypes.similarity_maps",
    "read_channels": "data.channels.read",
    "read_image": "data.images",
    "recalibrate": "training.calibration.recalibrate",
    "run": "events",
    "save_checkpoint": "models.checkpoints.checkpoint",
    "scores_from_confusion": "metrics.segmentation",
    "segment": "inference.segment",
    "segment_cells": "inference.cells.segment",
    "segment_folder": "batch.folder",
    "train": "training.loop.train",
    "train_second_stage": "training.second_stage.train",
}

__all__ = [
    "BatchReport",
    "BatchSettings",
    "CRFParameters",
    "CellReport",
    "CellResult",
    "CellSettings",
    "ChannelCheckpoint",
    "Checkpoint",
    "ClassTable",
    "ConstructError",
    "DistilConfig",
    "DownloadSettings",
    "EvaluationReport",
    "Predictor",
    "PrototypeSettings",
    "SecondStageConfig",
    "SegmentSettings",
    "SegmentationResult",
    "StoredResult",
    "TissueClass",
    "TrainingConfig",
    "ZeroShotSettings",
    "__version__",
    "add_guard",
    "array_cells",
    "array_teacher",
    "confusion_matrix",
    "decide_again",
    "dense_crf",
    "distil",
    "download_encoder",
    "evaluate",
    "evaluate_cells",
    "hold_out",
    "load_cell_model",
    "load_channel_checkpoint",
    "load_checkpoint",
    "load_dataset",
    "load_model",
    "load_result",
    "load_teacher",
    "load_zero_shot",
    "open_cells",
    "prototype_maps",
    "read_channels",
    "read_image",
    "recalibrate",
    "run",
    "save_checkpoint",
    "scores_from_confusion",
    "segment",
    "segment_cells",
    "segment_folder",
    "train",
    "train_second_stage",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
