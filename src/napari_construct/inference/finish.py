"""From an activation to a mask: presence, probabilities, background, refinement, confidence.

Nothing here runs the network, so that every slider can be moved without waiting for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation import Activation
from napari_construct.inference.background import background_mask
from napari_construct.inference.memory import check_result_size
from napari_construct.inference.model import Predictor
from napari_construct.inference.presence import predicted_presence, presence_scores
from napari_construct.inference.record import result_record
from napari_construct.inference.resample import sample_maps
from napari_construct.inference.result import SegmentationResult
from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.cam import background_probability, published_crf_image
from napari_construct.refinement.dense_crf import CRFParameters, dense_crf
from napari_construct.refinement.safeguard import RefinementReport, compare_masks
from napari_construct.types import FloatArray, LabelImage, RGBImage

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Evidence:
    """Before refinement: cams and probabilities (k, h, w), and ``none`` (h, w), that of no class."""

    cams: FloatArray
    probabilities: FloatArray
    none: FloatArray


def finish(
    activation: Activation, predictor: Predictor, settings: SegmentSettings | None = None
) -> SegmentationResult:
    """Decide what an activation means.

    1. Presence: the classes the settings name, or those whose image-level probability reaches the
       calibrated threshold (at least one where there is tissue).
    2. Probabilities: softmax of the present classes' logits, divided by the calibrated temperature.
       Absent classes have none. With the published preset: per-class min-max, background
       ``(1 - max)^10`` and softmax over both.
    3. Background: glass by the rule of the settings or of the model; no class there.
    4. Dense CRF over the present classes and the background. Tissue keeps a class and glass keeps
       none whatever the CRF says, because the rule is what the user sees and sets.
    5. Confidence: the calibrated probability of the final label, from before the CRF. Where
       refinement went against the evidence it is low; the CRF's own probabilities are near one everywhere.

    Parameters
    ----------
    activation : Activation
        Of :func:`~napari_construct.inference.predictor.cam_steps`.
    predictor : Predictor
        The model that made it: its classes, calibration and device are used, not its network.
    settings : SegmentSettings, optional
        ``classes``, ``crf``, ``min_confidence`` and ``background`` are read.

    Returns
    -------
    SegmentationResult
        Arrays of the size of the image.

    Raises
    ------
    ConfigurationError
        If the settings name a class the model does not know.
    InputError
        If the result would not fit into memory.
    """
    settings = settings or SegmentSettings()
    started = time.perf_counter()
    check_result_size(activation.shape, len(predictor.classes), activation.name)
    chosen = named_classes(settings.classes, predictor.classes)
    glass = _glass(activation.image, predictor, settings)
    scores = _scores(activation, predictor, ~glass)
    thresholds = predictor.calibration.presence_thresholds
    presence = chosen or predicted_presence(scores, thresholds, any_tissue=not bool(glass.all()))
    evidence = _evidence(activation, predictor, presence, glass)
    labels, refinement = _labels(activation.image, evidence, presence, glass, predictor, settings.crf)
    confidence = _confidence(labels, evidence)
    labels[confidence < settings.min_confidence] = 0
    background = glass if activation.rescaled is None else labels == 0
    return SegmentationResult(
        labels=labels,
        probabilities=evidence.probabilities,
        cams=evidence.cams,
        confidence=confidence,
        background=background,
        presence=presence,
        presence_scores=scores,
        classes=predictor.classes,
        mpp=activation.mpp,
        record=result_record(
            activation,
            predictor,
            settings,
            presence,
            scores,
            refinement=refinement,
            seconds=time.perf_counter() - started,
        ),
        refinement=refinement,
    )


def named_classes(names: Sequence[str] | None, classes: ClassTable) -> tuple[bool, ...] | None:
    """Presence by the names of classes; None stays None.

    Raises
    ------
    ConfigurationError
        If a name is unknown (the message lists the known ones), or there is none.
    """
    if names is None:
        return None
    if not names:
        raise ConfigurationError(
            f"expected at least one of the classes {', '.join(classes.names)}, got none; name those in the "
            "image, or leave the choice to the model"
        )
    chosen = {classes.index(name) for name in names}
    return tuple(i in chosen for i in range(len(classes)))


def _glass(image: RGBImage, predictor: Predictor, settings: SegmentSettings) -> Mask:
    if settings.background is None and predictor.published:
        return np.zeros(image.shape[:2], dtype=np.bool_)  # the published arithmetic knows no such rule
    return background_mask(image, settings.background or predictor.calibration.background)


def _scores(activation: Activation, predictor: Predictor, tissue: Mask) -> tuple[float, ...]:
    _, rows, columns = activation.logits.shape
    # the pixel under the centre of each cell speaks for it
    centres = [
        np.minimum((np.arange(n) + 0.5) * side / cells, side - 1).astype(np.intp)
        for n, side, cells in zip((rows, columns), activation.shape, activation.cells, strict=True)
    ]
    cells = max(predictor.patch // activation.stride, 1)
    pooling = predictor.checkpoint.config.pooling
    return presence_scores(activation.logits, tissue[np.ix_(*centres)], (cells, cells), pooling)


def _evidence(
    activation: Activation, predictor: Predictor, presence: tuple[bool, ...], glass: Mask
) -> _Evidence:
    present = torch.tensor(presence)
    if activation.rescaled is None:
        logits = torch.from_numpy(sample_maps(activation.logits, activation.shape, activation.cells))
        logits /= predictor.calibration.temperature
        probabilities = torch.zeros_like(logits)
        if any(presence):
            offsets = torch.tensor(predictor.calibration.class_offsets or (0.0,) * len(presence))
            probabilities[present] = (logits + offsets[:, None, None])[present].softmax(0)
        cams, none = logits.sigmoid_(), np.zeros(activation.shape, dtype=np.float32)
    else:
        cams = torch.from_numpy(
            sample_maps(activation.rescaled, activation.shape, activation.cells, align_corners=True)
        )
        cams[~present] = 0
        both = torch.cat([cams, background_probability(cams[None])[0]]).softmax(0)
        probabilities, none = both[:-1], both[-1].numpy()
    probabilities[:, torch.from_numpy(glass)] = 0
    none[glass] = 1
    return _Evidence(cams.numpy(), probabilities.numpy(), none)


def _labels(
    image: RGBImage,
    evidence: _Evidence,
    presence: tuple[bool, ...],
    glass: Mask,
    predictor: Predictor,
    crf: CRFParameters | None,
) -> tuple[LabelImage, RefinementReport | None]:
    """(h, w) uint8 labels of the most probable class, and what refinement changed, if there was any."""
    if predictor.published:  # every class and the background take part, as in the released code
        channels, deciding = np.arange(len(presence)), len(presence) + 1
    else:
        channels = np.flatnonzero(presence)
        deciding = channels.size
    if not deciding:
        return np.zeros(image.shape[:2], dtype=np.uint8), None
    probabilities = np.concatenate([evidence.probabilities[channels], evidence.none[None]])
    codes = np.append(channels + 1, 0).astype(np.uint8)

    def decided(p: FloatArray) -> LabelImage:
        labels: LabelImage = codes[p[:deciding].argmax(0)]
        labels[glass] = 0
        return labels

    before = decided(probabilities)
    if crf is None or deciding < 2:
        return before, None
    seen = published_crf_image(image, predictor.mean, predictor.std) if predictor.published else image
    after = decided(_refined(seen, probabilities, crf, predictor.device))
    return after, compare_masks(before, after, len(presence) + 1, ignore=(0,))


def _refined(
    image: RGBImage, probabilities: FloatArray, crf: CRFParameters, device: torch.device
) -> FloatArray:
    used = slice(None) if probabilities[-1].any() else slice(-1)  # without glass there is no such label
    result: Any = dense_crf(image, probabilities[used], crf, device=device)
    refined: FloatArray = result.probabilities
    return refined


def _confidence(labels: LabelImage, evidence: _Evidence) -> FloatArray:
    chosen = np.maximum(labels, 1)[None].astype(np.intp) - 1
    of_class = np.take_along_axis(evidence.probabilities, chosen, axis=0)[0]
    confidence: FloatArray = np.where(labels > 0, of_class, evidence.none).astype(np.float32)
    return confidence
