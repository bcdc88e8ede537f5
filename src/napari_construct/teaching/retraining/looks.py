"""What a model says of corrected images, before and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_construct.events import Event, Steps, as_part
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.resample import model_shape
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.settings import SegmentSettings
from napari_construct.losses.partial_cross_entropy import UNKNOWN
from napari_construct.teaching.retraining.held_out import Split, painted_by
from napari_construct.teaching.retraining.parts import Part, make_part
from napari_construct.teaching.strokes import Strokes
from napari_construct.types import FloatArray, LabelImage, ShortRepr

REACH: Final = 0.25
"""How far around a correction the old model is not believed, in sides of a patch."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Look(ShortRepr):
    """A model's mask of an image.

    Attributes
    ----------
    activation : Activation
        What it was decided from.
    labels : ndarray
        (h, w) uint8, without CRF.
    confidence : ndarray
        (h, w) float32, probability of each label.
    """

    activation: Activation
    labels: LabelImage
    confidence: FloatArray


def look_steps(
    corrections: Sequence[Strokes], numbers: Collection[int], predictor: Predictor, stage: str
) -> Steps[dict[int, Look]]:
    """Looks at some of the images, by their numbers; with the model's own views, presence and offsets."""
    found: dict[int, Look] = {}
    settings = SegmentSettings(crf=None)
    for done, number in enumerate(sorted(numbers)):
        strokes = corrections[number]
        event = Event(stage, done, len(numbers), strokes.name)
        steps = cam_steps(strokes.image, predictor, settings, mpp=strokes.mpp, name=strokes.name)
        activation = yield from as_part(steps, event)
        result = finish(activation, predictor, settings)
        found[number] = Look(activation, result.labels, result.confidence)
    yield Event(stage, len(numbers), len(numbers))
    return found


def parts_of(
    corrections: Sequence[Strokes],
    division: Split,
    predictor: Predictor,
    looks: Mapping[int, Look],
    sure: float,
    size: int,
) -> list[Part]:
    """The images to learn from at the model's resolution, with their labels.

    Parameters
    ----------
    corrections : sequence of Strokes
        All of them.
    division : Split
        Which strokes are learned from.
    predictor : Predictor
        The old model.
    looks : mapping
        What it says of images, by their numbers; of others nothing is believed.
    sure : float
        Least probability of what is believed.
    size : int
        Side of a view.
    """
    found = []
    for number in sorted({stroke.image for stroke in division.learned}):
        strokes = corrections[number]
        pixels = (strokes.image.shape[0], strokes.image.shape[1])
        shape = model_shape(pixels, strokes.mpp, predictor.mpp, strokes.name, predictor.scale)
        painted = painted_by(division.learned, number, pixels)
        known = None
        if number in looks:
            look, out = looks[number], painted_by(division.left_out, number, pixels)
            reach = REACH * predictor.patch * pixels[0] / shape[0]
            known = believed(look.labels, look.confidence, painted, out, sure, reach)
        found.append(make_part(strokes.image, painted, known, shape, len(predictor.classes), size))
    return found


def believed(
    labels: LabelImage,
    confidence: FloatArray,
    painted: LabelImage,
    left_out: LabelImage,
    sure: float,
    reach: float,
) -> NDArray[np.uint8]:
    """(h, w) uint8: classes that the old model was sure of, ``UNKNOWN`` elsewhere.

    Painted pixels are left open. So is, within ``reach`` pixels of a correction, the region of the old mask
    that the correction contradicts. Left-out strokes decide nothing but their own pixels.

    Parameters
    ----------
    labels, confidence : ndarray
        (h, w) the old model's mask, and the probability of each label.
    painted, left_out : ndarray
        (h, w) uint8, corrections to learn from, and the others.
    sure, reach : float
        Least probability; pixels.
    """
    known = (labels > 0) & (confidence >= sure)
    wrong = (painted > 0) & (labels > 0) & (painted != labels)
    for value in np.unique(labels[wrong]).tolist():
        regions, _ = ndimage.label(labels == value)
        hit = np.unique(regions[wrong & (labels == value)])
        near = ndimage.distance_transform_edt(~(wrong & (labels == value))) <= reach
        known &= ~(np.isin(regions, hit[hit > 0]) & near)
    known &= (painted == 0) & (left_out == 0)
    return np.where(known, labels - 1, UNKNOWN).astype(np.uint8)
