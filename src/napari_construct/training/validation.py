"""How good the model is on data it was not trained on: with masks, or with image-level labels."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.data.masks import Pairs, pair_by_stem, read_mask
from napari_construct.events import Event, Result, Steps
from napari_construct.exceptions import DatasetError
from napari_construct.inference.predictor import Predictor, cam_steps, finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.models.calibration import Calibration
from napari_construct.training.calibrate import macro_f1
from napari_construct.types import PathLike

MASK_METRIC = "val_miou"
LABEL_METRIC = "val_bce"


@dataclass(frozen=True, slots=True)
class MaskedImages:
    """Images with masks, for measuring only.

    Attributes
    ----------
    pairs : Pairs
        Image and mask of each.
    mpp : float or None
        Micrometres per pixel of images that do not say it themselves.
    """

    pairs: Pairs
    mpp: float | None = None


def open_masked(folder: PathLike, mpp: float | None = None) -> MaskedImages:
    """A folder with ``img`` and ``mask`` inside.

    Raises
    ------
    DatasetError
        If it has no such folders, or no image has a mask of its name.
    """
    root = Path(folder)
    if not (root / "img").is_dir() or not (root / "mask").is_dir():
        raise DatasetError(
            f"{root}: expected the folders img and mask inside (validation with masks), got something else; "
            "give such a folder, or a dataset with image-level labels"
        )
    return MaskedImages(pair_by_stem(root / "img", root / "mask"), mpp)


def mask_scores_steps(data: MaskedImages, predictor: Predictor) -> Steps[dict[str, float]]:
    """Scores without CRF and single view: "predicted" classes (what a user gets) and "oracle" ones.

    Mask values that are no class are ignored. Returns ``val_miou``, ``val_miou_oracle`` and
    ``val_iou/NAME`` (predicted).
    """
    k = len(predictor.classes)
    total = {column: np.zeros((k, k + 1), dtype=np.int64) for column in ("predicted", "oracle")}
    for done, (image_path, mask_path) in enumerate(data.pairs, start=1):
        steps = _matrices(image_path, mask_path, predictor, data.mpp)
        matrices = yield from _relabelled(
            steps, Event("validate", done - 1, len(data.pairs), image_path.name)
        )
        for column, matrix in matrices.items():
            total[column] += matrix
        yield Event("validate", done, len(data.pairs), image_path.name)
    predicted = scores_from_confusion(total["predicted"])
    named = {f"val_iou/{c.name}": iou for c, iou in zip(predictor.classes, predicted["iou"], strict=True)}
    return {
        MASK_METRIC: predicted["miou"],
        "val_miou_oracle": scores_from_confusion(total["oracle"])["miou"],
        **named,
    }


def label_scores(logits: torch.Tensor, data: ImageLevelDataset, calibration: Calibration) -> dict[str, float]:
    """Cross-entropy of presence, and macro F1 at the calibrated thresholds, of pooled logits (n, k)."""
    labels = torch.from_numpy(np.array(data.labels)).float()
    bce = float(F.binary_cross_entropy_with_logits(logits.float(), labels))
    f1 = macro_f1(logits.double().sigmoid().numpy(), data.labels, calibration.presence_thresholds)
    return {LABEL_METRIC: bce, "val_f1": f1}


def score_of(metrics: Mapping[str, float]) -> float | None:
    """The number by which epochs are compared, larger is better; None without validation."""
    if MASK_METRIC in metrics:
        return metrics[MASK_METRIC] if math.isfinite(metrics[MASK_METRIC]) else None
    return -metrics[LABEL_METRIC] if LABEL_METRIC in metrics else None


def _matrices(
    image_path: Path, mask_path: Path, predictor: Predictor, mpp: float | None
) -> Steps[dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]]:
    image, truth, k = read_image(image_path), read_mask(mask_path), len(predictor.classes)
    if truth.shape != image.pixels.shape[:2]:
        raise DatasetError(
            f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels, as "
            f"its image has, got {truth.shape[0]} x {truth.shape[1]}; check the pair"
        )
    settings = SegmentSettings(crf=None, mpp=image.mpp or mpp)
    activation = yield from cam_steps(image.pixels, predictor, settings, name=image_path.name)
    ignored = range(k, 256)
    matrices = {
        "predicted": confusion_matrix(truth, finish(activation, predictor, settings).labels, k, ignored)
    }
    present = tuple(c.name for i, c in enumerate(predictor.classes) if (truth == i).any())
    if present:
        oracle = finish(activation, predictor, settings.model_copy(update={"classes": present}))
        matrices["oracle"] = confusion_matrix(truth, oracle.labels, k, ignored)
    return matrices


def _relabelled(steps: Generator[Event, None, Result], event: Event) -> Steps[Result]:
    """Yield ``event`` wherever ``steps`` yields, so that a job can be cancelled and its bar stands still."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            final: Result = stop.value
            return final
        yield event
