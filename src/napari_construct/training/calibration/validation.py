"""Validation scores, on masks or on image-level labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.data.mask_values import FirstClass, MaskReading, mask_reading
from napari_construct.data.masks import Pairs, find_pairs, read_mask
from napari_construct.events import Doubt, Event, Notice, Steps, as_part
from napari_construct.exceptions import DatasetError
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.class_order import OrderDoubt, order_notice, other_reading
from napari_construct.metrics.first_class import value_counts
from napari_construct.metrics.segmentation import Confusion, confusion_matrix, scores_from_confusion
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.construct import ConstructNet
from napari_construct.reading.name_lists import names_as_text
from napari_construct.training.calibration.fit_calibration import fit_calibration, macro_f1
from napari_construct.training.calibration.labelled_logits import labelled_logits_steps
from napari_construct.training.views.patches import PatchStore
from napari_construct.types import PathLike

MASK_METRIC = "val_miou"
LABEL_METRIC = "val_bce"
F1_METRIC = "val_f1"


@dataclass(frozen=True, slots=True)
class MaskedImages:
    """Images with masks, for measuring only.

    Attributes
    ----------
    pairs : Pairs
        Image and mask of each.
    mpp : float or None
        Micrometres per pixel of images whose files do not store it.
    first_class : {"auto", 0, 1}
        Value of the first class in the masks.
    order : sequence of str or None
        The classes in the order of the masks' values; None if that is the model's.
    reading : MaskReading or None
        How the masks are read, once the classes are known. Values that are no class are ignored.
    """

    pairs: Pairs
    mpp: float | None = None
    first_class: FirstClass = "auto"
    order: Sequence[str] | None = None
    reading: MaskReading | None = None

    def read_as(self, classes: ClassTable) -> MaskedImages:
        """The same images with the reading of their masks for these classes."""
        if self.reading is not None and self.reading.classes == classes:
            return self
        paths = [mask for _, mask in self.pairs]
        reading = mask_reading(paths, classes, first_class=self.first_class, order=self.order)
        return replace(self, reading=reading)

    def truth(self, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Classes of a mask, and its values as stored; after :meth:`read_as`."""
        mask = read_mask(path)
        return (mask if self.reading is None else self.reading.truth(path, mask)), mask


def open_masked(
    folder: PathLike,
    mpp: float | None = None,
    first_class: FirstClass = "auto",
    order: Sequence[str] | None = None,
) -> MaskedImages:
    """A folder with ``img`` and ``mask`` inside.

    Raises
    ------
    DatasetError
        If it has no such folders, or no image has a mask of its name.
    """
    return MaskedImages(find_pairs(folder, inside=("",)), mpp, first_class, order)


def mask_scores_steps(
    data: MaskedImages, predictor: Predictor, *, check_order: bool = False
) -> Steps[dict[str, float]]:
    """Scores without CRF, with one view: "predicted" and "oracle" presence.

    Mask values outside the classes are ignored. Returns ``val_miou``, ``val_miou_oracle`` and
    ``val_iou/NAME`` (predicted). ``check_order`` adds a notice if the masks' classes seem to be in another
    order (:mod:`~napari_construct.training.calibration.class_order`), or the first class another value
    (:mod:`~napari_construct.metrics.first_class`).
    """
    data, k = data.read_as(predictor.classes), len(predictor.classes)
    values = np.zeros((k + 1, k + 1), dtype=np.int64)
    columns = ("predicted", "oracle", *(("all",) if check_order else ()))
    total = {column: np.zeros((k, k + 1), dtype=np.int64) for column in columns}
    for done, (image_path, mask_path) in enumerate(data.pairs, start=1):
        steps = _matrices(image_path, mask_path, predictor, data, check_order=check_order)
        matrices = yield from as_part(steps, Event("validate", done - 1, len(data.pairs), image_path.name))
        values += matrices.pop("values")
        for column, matrix in matrices.items():
            total[column] += matrix
        yield Event("validate", done, len(data.pairs), image_path.name)
    if data.reading is not None and (every := total.get("all")) is not None:
        yield from _doubt(every, total["predicted"], values, data.reading)
    oracle = scores_from_confusion(total["oracle"])["miou"]
    return scores_of_counts(total["predicted"], predictor.classes.names) | {"val_miou_oracle": oracle}


def scores_of_counts(matrix: Confusion, names: Sequence[str]) -> dict[str, float]:
    """The metrics of a validation on masks, from counts with predicted presence."""
    scores = scores_from_confusion(matrix)
    named = {f"val_iou/{name}": iou for name, iou in zip(names, scores["iou"], strict=True)}
    return {MASK_METRIC: scores["miou"], **named}


def _doubt(every: Confusion, predicted: Confusion, values: Confusion, reading: MaskReading) -> Steps[None]:
    """A notice if the masks seem to mean other classes."""
    if reading.source == "record":
        return
    names = reading.classes.names
    read = _numbers(reading.order or names, names)  # the classes of the values as they were read
    shifted, found = other_reading(values, every, reading.first_class, read)
    if shifted:
        yield Notice("validate", 0, 0, shifted)
    if found is not None:
        order = tuple(names[found.order[number]] for number in read)
        said = order_notice(found._replace(order=_numbers(order, names)), names, reading.first_class)
        remedy = f"if so, calibrate the model with this order (--mask-order {names_as_text(order)})"
        yield OrderDoubt("validate", 1, 1, found=found, matrix=predicted, order=order, said=said)
        yield Notice("validate", 0, 0, Doubt(f"{said}; {remedy}"))


def _numbers(order: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(names.index(name) for name in order)


def label_scores(logits: torch.Tensor, data: ImageLevelDataset, calibration: Calibration) -> dict[str, float]:
    """Cross-entropy of presence, and macro F1 at the calibrated thresholds, of pooled logits (n, k)."""
    labels = torch.from_numpy(np.array(data.labels)).float()
    bce = float(F.binary_cross_entropy_with_logits(logits.float(), labels))
    f1 = macro_f1(logits.double().sigmoid().numpy(), data.labels, calibration.presence_thresholds)
    return {LABEL_METRIC: bce, F1_METRIC: f1}


class Judge:
    """Calibrates and validates on the available data.

    Parameters
    ----------
    dataset : ImageLevelDataset
        Training patches; the calibration uses them without validation patches.
    patches : PatchStore
        Their images.
    masks : MaskedImages or None
        Validation images.
    val, val_patches : ImageLevelDataset and PatchStore, or None
        Validation patches.
    device : torch.device
        Device of the model.
    """

    def __init__(
        self,
        dataset: ImageLevelDataset,
        patches: PatchStore,
        masks: MaskedImages | None,
        val: ImageLevelDataset | None,
        val_patches: PatchStore | None,
        device: torch.device,
    ) -> None:
        self.dataset, self.patches, self.masks = dataset, patches, masks
        self.val, self.val_patches, self.device = val, val_patches, device

    def steps(
        self,
        model: ConstructNet,
        predictor: Callable[[Calibration], Predictor],
        levels: Callable[[Sequence[int]], tuple[torch.Tensor, ...]] | None = None,
        *,
        check_order: bool = False,
    ) -> Steps[tuple[Calibration, dict[str, float]]]:
        """Calibration and scores of the present model.

        Parameters
        ----------
        model : ConstructNet
            The model.
        predictor : callable
            Makes a predictor of the model with a calibration.
        levels : callable, optional
            Kept features of training patches.
        check_order : bool
            See :func:`mask_scores_steps`.
        """
        scores: dict[str, float] = {}
        if self.val is None or self.val_patches is None:
            _, data = yield from labelled_logits_steps(
                model, self.patches, self.dataset.labels, self.device, levels=levels
            )
            calibration = fit_calibration(data, held_out=False)
        else:
            chosen, data = yield from labelled_logits_steps(
                model, self.val_patches, self.val.labels, self.device
            )
            calibration = fit_calibration(data)
            scores |= label_scores(torch.from_numpy(data.pooled), self.val.subset(chosen), calibration)
        if self.masks is not None:
            scores |= yield from mask_scores_steps(
                self.masks, predictor(calibration), check_order=check_order
            )
        return calibration, scores


def score_of(metrics: Mapping[str, float], score: str = "auto") -> float | None:
    """Score that compares validations, larger is better; None if it is not available.

    ``score`` is that of :class:`~napari_construct.training.config.config.TrainingConfig`.
    """
    if score == "auto":
        score = "miou" if MASK_METRIC in metrics else "loss"
    name, sign = {"miou": (MASK_METRIC, 1), "f1": (F1_METRIC, 1), "loss": (LABEL_METRIC, -1)}[score]
    value = metrics.get(name, math.nan)
    return sign * value if math.isfinite(value) else None


def _matrices(
    image_path: Path, mask_path: Path, predictor: Predictor, data: MaskedImages, *, check_order: bool
) -> Steps[dict[str, Confusion]]:
    """Matrices by column, and under "values" that of the mask's values."""
    image, (truth, stored), k = read_image(image_path), data.truth(mask_path), len(predictor.classes)
    if truth.shape != image.pixels.shape[:2]:
        raise DatasetError(
            f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels, as "
            f"its image has, got {truth.shape[0]} x {truth.shape[1]}; check the pair"
        )
    settings = SegmentSettings(crf=None, mpp=image.mpp or data.mpp)
    activation = yield from cam_steps(
        image.pixels, predictor, settings, name=image_path.name, valid=image.valid
    )
    truth = image.known(truth)
    ignored = range(k, 256)
    labels = finish(activation, predictor, settings).labels
    matrices = {
        "predicted": confusion_matrix(truth, labels, k, ignored),
        "values": value_counts(stored, labels, k, image.has_data),
    }
    present = tuple(c.name for i, c in enumerate(predictor.classes) if (truth == i).any())
    named = {"oracle": present} | ({"all": predictor.classes.names} if check_order else {})
    for column, names in named.items():
        if present:
            found = finish(activation, predictor, settings.model_copy(update={"classes": names}))
            matrices[column] = confusion_matrix(truth, found.labels, k, ignored)
    return matrices
