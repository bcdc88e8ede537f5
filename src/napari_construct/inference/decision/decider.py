"""From an activation to a mask: presence, probabilities, background, refinement, confidence.

Nothing here runs the network, so sliders respond at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_construct.classes import ClassTable
from napari_construct.crf import CRFParameters, Factorisation, compile_steps, dense_crf_steps
from napari_construct.events import Event, Steps, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.devices import enough_memory
from napari_construct.inference.activation.memory import check_result_size
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.bands import bands
from napari_construct.inference.decision.evidence import (
    Evidence,
    Mask,
    Window,
    evidence_steps,
    glass_steps,
    image_scores,
)
from napari_construct.inference.decision.out_of_distribution import (
    distance_grid,
    out_of_distribution,
    warning,
)
from napari_construct.inference.decision.presence import presence_by
from napari_construct.inference.decision.record import result_record
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.refinement.cam import published_crf_image
from napari_construct.refinement.safeguard import RefinementReport, compare_steps, protect_regions
from napari_construct.results.result import SegmentationResult
from napari_construct.types import FloatArray, LabelImage, RGBImage

_LEAST_KEPT: Final = 64 * 64
_MOST_KEPT: Final = 1024 * 1024
"""Pixels of a window whose factorisation is kept between two decisions: smaller ones are quick anyway,
larger ones take hundreds of megabytes."""


def finish(
    activation: Activation, predictor: Predictor, settings: SegmentSettings | None = None
) -> SegmentationResult:
    """Make the mask of an activation; :func:`finish_steps` as a plain function."""
    return run(finish_steps(activation, predictor, settings))


def finish_steps(
    activation: Activation, predictor: Predictor, settings: SegmentSettings | None = None
) -> Steps[SegmentationResult]:
    """Make the mask of an activation, as a job that can be cancelled between its steps.

    1. Presence: the classes the settings name, or those whose image-level probability reaches the
       threshold of the settings or the calibrated one (at least one where there is tissue).
    2. Probabilities: softmax of the present classes' logits, divided by the calibrated temperature.
       Absent classes have none. With the published preset: per-class min-max, background
       ``(1 - max)^10`` and softmax over both.
    3. Background: glass by the rule of the settings or of the model, and places without data; no class
       there.
    4. Dense CRF over the present classes and the background. Tissue keeps a class and glass keeps
       none whatever the CRF says, because the rule is what the user sees and sets. Confident regions
       are put back where the settings protect them.
    5. Confidence: the calibrated probability of the final label, from before the CRF. Where
       refinement went against the evidence it is low; the CRF's own probabilities are near one everywhere.

    Parameters
    ----------
    activation : Activation
        Of :func:`~napari_construct.inference.segment.cam_steps`.
    predictor : Predictor
        The model of the activation; only classes, calibration and device are used.
    settings : SegmentSettings, optional
        Tiles, views and resolution have no effect here.

    Yields
    ------
    Event
        Stage "refine".

    Returns
    -------
    SegmentationResult
        Arrays of the size of the image.

    Raises
    ------
    ConfigurationError
        If the settings name a class that the model does not have.
    InputError
        If the result would not fit into memory.
    """
    return (yield from Decider(activation, predictor).steps(settings or SegmentSettings()))


class Decider:
    """Makes masks of one activation under changing settings, and caches unchanged steps.

    Parameters
    ----------
    activation, predictor : Activation, Predictor
        As for :func:`finish_steps`; the predictor may be one without its network.
    scores : tuple of float, optional
        Image-level probabilities of the classes, where they are known, as for a part of a slide.
    """

    def __init__(
        self, activation: Activation, predictor: Predictor, scores: tuple[float, ...] | None = None
    ) -> None:
        check_result_size(activation.shape, len(predictor.classes), activation.name)
        self.activation = activation
        self.predictor = predictor
        self._scores = scores
        self._glass: tuple[BackgroundRule | None, Mask, tuple[float, ...]] | None = None
        # apart for the whole image and for windows, because a look at a window comes before the whole
        self._prepared: dict[bool, tuple[object, Factorisation]] = {}

    def steps(self, settings: SegmentSettings, window: Window | None = None) -> Steps[SegmentationResult]:
        """The mask under some settings, as a job.

        Parameters
        ----------
        settings : SegmentSettings
            As for :func:`finish_steps`.
        window : tuple of slice, optional
            Only this part of the image, for a preview. Presence is that of the whole image; the CRF sees only
            the window; there is no record.
        """
        started = time.perf_counter()
        activation, predictor = self.activation, self.predictor
        settings = predictor.resolved(settings)
        chosen = named_classes(settings.classes, predictor.classes)
        yield Event("refine", 0, 1)
        whole_glass, scores = yield from self._found(settings.background)
        yield Event("refine", 0, 1)
        any_tissue = not bool(whole_glass.all())
        presence = chosen or presence_by(settings, predictor, scores, any_tissue=any_tissue)
        part = window or (slice(0, activation.shape[0]), slice(0, activation.shape[1]))
        glass = whole_glass[part]
        exponent = settings.background_exponent
        steps = evidence_steps(activation, predictor, presence, glass, exponent=exponent, window=window)
        evidence = yield from steps
        labels, refinement = yield from self._labels(evidence, presence, glass, settings, part)
        confidence = yield from _confidence_of(labels, evidence)
        labels[confidence < settings.min_confidence] = 0
        unlike = None if window else out_of_distribution(activation, predictor, whole_glass)
        said = warning(unlike, activation.name, predictor.name, any_tissue=any_tissue)
        seconds = time.perf_counter() - started
        return SegmentationResult(
            labels=labels,
            probabilities=evidence.probabilities,
            cams=evidence.cams,
            confidence=confidence,
            background=glass if activation.rescaled is None else labels == 0,
            presence=presence,
            presence_scores=scores,
            classes=predictor.classes,
            mpp=activation.mpp,
            record={}
            if window
            else result_record(
                activation,
                predictor,
                settings,
                presence,
                scores,
                refinement=refinement,
                unlike=unlike,
                notices=(*activation.notices, *said),
                seconds=seconds,
            ),
            refinement=refinement,
            distances=None if window else distance_grid(activation),
        )

    def _found(self, rule: BackgroundRule | None) -> Steps[tuple[Mask, tuple[float, ...]]]:
        """Glass and image-level scores of the whole image."""
        if self._glass is None or self._glass[0] != rule:
            glass = yield from glass_steps(self.activation.image, self.predictor, rule)
            yield Event("refine", 0, 1)
            if self.activation.valid is not None:
                glass |= ~self.activation.valid
            known = self._scores
            self._glass = rule, glass, known or image_scores(self.activation, self.predictor, ~glass)
        return self._glass[1:]

    def _labels(
        self,
        evidence: Evidence,
        presence: tuple[bool, ...],
        glass: Mask,
        settings: SegmentSettings,
        part: Window,
    ) -> Steps[tuple[LabelImage, RefinementReport | None]]:
        """(h, w) uint8 labels of the most probable class, and what refinement changed, if there was any."""
        predictor = self.predictor
        if predictor.published:  # every class and the background take part, as in the released code
            channels, deciding = np.arange(len(presence)), len(presence) + 1
        else:
            channels = np.flatnonzero(presence)
            deciding = channels.size
        if not deciding:
            return np.zeros(glass.shape, dtype=np.uint8), None
        probabilities = np.empty((channels.size + 1, *glass.shape), np.float32)
        for rows in bands(*glass.shape):
            probabilities[:-1, rows] = evidence.probabilities[:, rows][channels]
            probabilities[-1, rows] = evidence.none[rows]
            yield Event("refine", 0, 1)
        codes = np.append(channels + 1, 0).astype(np.uint8)

        def decided(p: FloatArray) -> Steps[LabelImage]:
            labels: LabelImage = np.empty(glass.shape, np.uint8)
            for rows in bands(*glass.shape):
                labels[rows] = codes[_largest(p[:deciding, rows])]
                yield Event("refine", 0, 1)
            labels[glass] = 0
            return labels

        before = yield from decided(probabilities)
        crf = settings.crf
        if not isinstance(crf, CRFParameters) or deciding < 2:
            return before, None
        image = self.activation.image[part]
        seen = published_crf_image(image, predictor.mean, predictor.std) if predictor.published else image
        after = yield from decided((yield from self._refined(seen, probabilities, crf, part)))
        if settings.protect_confidence is not None:
            confidence = yield from _confidence_of(before, evidence)
            after = protect_regions(
                before, after, confidence, threshold=settings.protect_confidence, ignore=(0,)
            )
        yield Event("refine", 0, 1)
        report = yield from compare_steps(before, after, len(presence) + 1, ignore=(0,))
        return after, report

    def _refined(
        self, image: RGBImage, probabilities: FloatArray, crf: CRFParameters, part: Window
    ) -> Steps[FloatArray]:
        device, (h, w) = self.predictor.device, image.shape[:2]
        yield from compile_steps(h * w, device)
        work = f"while refining {h} x {w} pixels"
        remedy = "no refinement (crf), a smaller region of the image, or the device cpu"
        with enough_memory(device, work, remedy):
            return (yield from self._within_memory(image, probabilities, crf, part))

    def _within_memory(
        self, image: RGBImage, probabilities: FloatArray, crf: CRFParameters, part: Window
    ) -> Steps[FloatArray]:
        used = probabilities if probabilities[-1].any() else probabilities[:-1]  # without glass no such label
        device = self.predictor.device
        if not _LEAST_KEPT <= image.shape[0] * image.shape[1] <= _MOST_KEPT:
            result = yield from dense_crf_steps(image, used, crf, device=device)
            refined: FloatArray = result.probabilities
            return refined
        sigmas = (crf.smoothness_sigma, crf.appearance_sigma_xy, crf.appearance_sigma_rgb)
        key = (*((s.start, s.stop) for s in part), *sigmas)
        whole = image.shape[:2] == self.activation.shape
        if whole not in self._prepared or self._prepared[whole][0] != key:
            self._prepared.pop(whole, None)  # the old one first, they are large
            self._prepared[whole] = key, Factorisation(image, crf, device=device)
            yield Event("refine", 0, 1)
        result = yield from self._prepared[whole][1].refine_steps(np.ascontiguousarray(used), crf)
        kept: FloatArray = result.probabilities
        return kept


def named_classes(names: Sequence[str] | None, classes: ClassTable) -> tuple[bool, ...] | None:
    """Presence of each class from names; None stays None.

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


def _largest(p: FloatArray) -> npt.NDArray[np.uint8]:
    """``p.argmax(0)`` of few (k, h, w) maps, map by map: numpy goes pixel by pixel, which takes ten times as
    long.
    """
    found, best = np.zeros(p.shape[1:], np.uint8), p[0]
    for i in range(1, len(p)):
        np.maximum(found, (p[i] > best) * np.uint8(i), out=found)
        best = np.maximum(best, p[i])
    return found


def _confidence_of(labels: LabelImage, evidence: Evidence) -> Steps[FloatArray]:
    """(h, w) float32: the probability of each pixel's label before refinement."""
    confidence: FloatArray = np.empty(labels.shape, np.float32)
    for rows in bands(*labels.shape):
        part = labels[rows]
        chosen = np.maximum(part, 1)[None].astype(np.intp) - 1
        of_class = np.take_along_axis(evidence.probabilities[:, rows], chosen, axis=0)[0]
        confidence[rows] = np.where(part > 0, of_class, evidence.none[rows])
        yield Event("refine", 0, 1)
    return confidence
