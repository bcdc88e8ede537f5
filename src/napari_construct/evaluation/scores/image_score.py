"""Scores of one model on one image; the network runs once for up to four masks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_construct.data.images import read_image
from napari_construct.data.mask_values import IGNORED, MaskReading
from napari_construct.data.masks import read_mask
from napari_construct.evaluation.scores.examples import ExampleGallery
from napari_construct.evaluation.scores.patches import PatchPresence, patch_presence
from napari_construct.evaluation.scores.structures import SmallStructures, small_structures
from napari_construct.events import Notice, Steps
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import Decider
from napari_construct.inference.decision.record import decision_notices
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.first_class import value_counts
from napari_construct.metrics.reliability import Reliability, reliability
from napari_construct.metrics.segmentation import Confusion, confusion_matrix, scores_from_confusion
from napari_construct.results.result import SegmentationResult
from napari_construct.types import LabelImage

ColumnName: TypeAlias = Literal["predicted", "oracle"]
COLUMNS: tuple[ColumnName, ...] = ("predicted", "oracle")


@dataclass(frozen=True, slots=True, eq=False)
class ImageScore:
    """Scores of one image; a few kilobytes for any image size.

    Attributes
    ----------
    name : str
        File name.
    predicted, oracle : ndarray
        (k, k + 1) confusion matrices with predicted presence, and with the classes of the mask.
    predicted_before, oracle_before : ndarray or None
        The same before the CRF; None without a CRF.
    reliability : tuple of Reliability
        Of the pixel probabilities, with predicted and with true presence.
    present : tuple of bool
        Per class, as predicted.
    truly_present : tuple of bool
        Per class, by the rule of :data:`~napari_construct.evaluation.scores.patches.FRACTION`.
    presence_scores : tuple of float
        Per class, the image-level probability.
    patches : PatchPresence
        Presence in windows as large as a training patch.
    structures : SmallStructures or None
        Effect of the CRF on small regions; None without CRF.
    values : ndarray
        (k + 1, k + 1) pixels by value of the mask file and predicted class, for
        :func:`~napari_construct.metrics.first_class.other_first_class`.
    seconds : float
        Time of network and all masks.
    """

    name: str
    predicted: Confusion
    oracle: Confusion
    predicted_before: Confusion | None
    oracle_before: Confusion | None
    reliability: tuple[Reliability, Reliability]
    present: tuple[bool, ...]
    truly_present: tuple[bool, ...]
    presence_scores: tuple[float, ...]
    patches: PatchPresence
    structures: SmallStructures | None
    values: Confusion
    seconds: float

    def confusion(self, column: ColumnName, *, before_crf: bool = False) -> Confusion:
        """One of the four matrices; without CRF, before and after are the same."""
        after, before = (
            (self.predicted, self.predicted_before)
            if column == "predicted"
            else (self.oracle, self.oracle_before)
        )
        return before if before_crf and before is not None else after


def score_image_steps(
    image_path: Path,
    mask_path: Path,
    predictor: Predictor,
    settings: SegmentSettings,
    reading: MaskReading,
    gallery: ExampleGallery | None = None,
) -> Steps[tuple[ImageScore | None, tuple[str, ...]]]:
    """Score one image as a job.

    Returns
    -------
    ImageScore or None, tuple of str
        The score and notices. An image without any pixel of a class has no score; the network does not run.

    Raises
    ------
    InputError
        If image and mask cannot be read, differ in size, or the mask holds values that are no class.
    """
    image, mask = read_image(image_path), read_mask(mask_path)
    if mask.shape != image.pixels.shape[:2]:
        raise InputError(
            f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels like "
            f"{image_path.name}, got {mask.shape[0]} x {mask.shape[1]}; make both the same size"
        )
    there = image.has_data
    classes = reading.truth(mask_path, np.where(there, mask, 0).astype(np.uint8), strict=True)
    classes[~there] = IGNORED
    found = set(np.unique(classes).tolist())
    names = tuple(name for i, name in enumerate(predictor.classes.names) if i in found)
    scored = there & ~np.isin(mask, list(reading.ignore))
    truth = _Truth(classes, mask, names, len(predictor.classes), scored)
    if not truth.names:
        said = f"{mask_path}: expected pixels of a class, got ignored ones only; the image is not scored"
        return None, (said,)
    clock, notices = time.perf_counter(), image.notices
    for text in notices:
        yield Notice("images", 0, 1, text)
    activation = yield from cam_steps(
        image.pixels, predictor, settings, mpp=image.mpp, name=image_path.name, valid=image.valid
    )
    score, doubts = yield from _scored(activation, predictor, settings, truth, clock, gallery)
    return score, (*notices, *activation.notices, *doubts)


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    """Classes of the pixels, values of the file, names and number of the classes, and what is not ignored."""

    mask: npt.NDArray[np.uint8]
    values: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    k: int
    scored: npt.NDArray[np.bool_]
    ignore: tuple[int, ...] = (IGNORED,)

    def matrix(self, labels: LabelImage) -> Confusion:
        return confusion_matrix(self.mask, labels, self.k, self.ignore)


@dataclass(frozen=True, slots=True, eq=False)
class _Decision:
    """What is kept of one result: not its maps."""

    labels: LabelImage
    matrix: Confusion
    reliability: Reliability
    presence: tuple[bool, ...]
    presence_scores: tuple[float, ...]
    glass: npt.NDArray[np.bool_]
    said: tuple[str, ...]


def _scored(
    activation: Activation,
    predictor: Predictor,
    settings: SegmentSettings,
    truth: _Truth,
    clock: float,
    gallery: ExampleGallery | None,
) -> Steps[tuple[ImageScore, tuple[str, ...]]]:
    """The score, and what was noticed after the network had looked."""
    settings = predictor.resolved(settings)
    decider = Decider(activation, predictor)
    before = yield from _columns(decider, settings.model_copy(update={"crf": None}), truth)
    after, structures = before, None
    if settings.crf is not None:
        after = yield from _columns(decider, settings, truth)
        structures = small_structures(truth.mask, before[0].labels, after[0].labels, truth.k, truth.ignore)
    glass = np.zeros_like(before[0].glass) if predictor.published else before[0].glass
    patches = patch_presence(activation, predictor, truth.mask, glass, truth.ignore)
    score = ImageScore(
        name=activation.name,
        predicted=after[0].matrix,
        oracle=after[1].matrix,
        predicted_before=None if settings.crf is None else before[0].matrix,
        oracle_before=None if settings.crf is None else before[1].matrix,
        reliability=(before[0].reliability, before[1].reliability),
        present=before[0].presence,
        truly_present=patches.in_image,
        presence_scores=before[0].presence_scores,
        patches=patches,
        structures=structures,
        values=value_counts(truth.values, after[0].labels, truth.k, truth.scored),
        seconds=time.perf_counter() - clock,
    )
    if gallery is not None:
        mean = score_of_present(score.predicted)
        gallery.offer(score.name, mean, activation.image, truth.mask, after[0].labels, truth.ignore)
    for said in before[0].said:
        yield Notice("images", 0, 1, said)
    return score, before[0].said


def _columns(
    decider: Decider, settings: SegmentSettings, truth: _Truth
) -> Steps[tuple[_Decision, _Decision]]:
    """With predicted presence, and with the classes of the mask where these differ."""

    def kept(result: SegmentationResult) -> _Decision:
        curve = reliability(result.probabilities, truth.mask, truth.ignore)
        return _Decision(
            result.labels,
            truth.matrix(result.labels),
            curve,
            result.presence,
            result.presence_scores,
            result.background,
            decision_notices(result.record, decider.activation),
        )

    predicted = kept((yield from decider.steps(settings)))
    found = zip(decider.predictor.classes.names, predicted.presence, strict=True)
    if truth.names == tuple(name for name, there in found if there):
        return predicted, predicted
    return predicted, kept((yield from decider.steps(settings.model_copy(update={"classes": truth.names}))))


def score_of_present(matrix: Confusion) -> float:
    """Mean IoU over the classes that are in the truth; nan without any.

    The mIoU of a single image would be halved by one wrong pixel of a class that is not there.
    """
    iou = np.array(scores_from_confusion(matrix)["iou"])[matrix.sum(axis=1) > 0]
    return float(iou.mean()) if iou.size else float("nan")
