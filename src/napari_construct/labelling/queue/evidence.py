"""Probabilities of the classes of an image, whatever holds them, and its pixels where they are here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from PIL import Image

from napari_construct.data.inputs import as_image
from napari_construct.data.slides.large import large_slide
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.events import Steps
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.evidence import glass_steps
from napari_construct.results.measured import open_result
from napari_construct.results.result import SegmentationResult, StoredResult
from napari_construct.results.segmentation import Segmentation
from napari_construct.results.stored_pyramid import StoredPyramid
from napari_construct.types import FloatArray, RGBImage

Pixels: TypeAlias = Callable[[int, int, int, int, int], RGBImage]
"""Row, column, height, width of a part of the image, and the side (s, s, 3) that it is resampled to."""

CELLS: Final = 16
"""Cells of the grid along the side of a region, at least, where a finer level is stored."""

_CERTAIN: Final = 255.0
_LEAST: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class ImageEvidence:
    """What a model thinks of an image, read part by part.

    Attributes
    ----------
    name : str
        Of the image.
    shape : (int, int)
        Rows and columns of the image.
    classes : tuple of str
        The k classes.
    levels : tuple of (array-like, step)
        Probabilities (k, h, w), the finest first, as float from 0 to 1 or as uint8 of 255, 0 where there is
        no tissue; and (rows, columns) of the image in a cell.
    mpp : float or None
        Micrometres per pixel of the image.
    pixels : callable or None
        Reads a part of the image; None where it is not here.
    """

    name: str
    shape: tuple[int, int]
    classes: tuple[str, ...]
    levels: tuple[tuple[Any, tuple[float, float]], ...]
    mpp: float | None = None
    pixels: Pixels | None = None

    def level_for(self, side: int) -> tuple[Any, tuple[float, float]]:
        """The coarsest level with enough cells in a region of so many pixels, else the finest."""
        fine = [level for level in self.levels if side / max(level[1]) >= CELLS]
        return fine[-1] if fine else self.levels[0]


def probabilities_in(part: Any) -> FloatArray:
    """(k, h, w) float32 from 0 to 1."""
    array = np.asarray(part)
    found: FloatArray = array.astype(np.float32)
    return found / np.float32(_CERTAIN) if array.dtype == np.uint8 else found


def of_activation_steps(activation: Activation, predictor: Predictor) -> Steps[ImageEvidence]:
    """The evidence of a network's output: calibrated softmax on the network's grid, 0 on glass.

    Parameters
    ----------
    activation, predictor : Activation, Predictor
        The output, and the model (its network is not used).
    """
    glass = yield from glass_steps(activation.image, predictor, None)
    logits = activation.logits / predictor.calibration.temperature
    offsets = predictor.calibration.class_offsets or (0.0,) * len(logits)
    found = _softmax(logits + np.asarray(offsets, np.float32)[:, None, None])
    rows, columns = activation.shape
    step = rows / activation.cells[0], columns / activation.cells[1]
    centres = [
        np.minimum((np.arange(n) + 0.5) * size, side - 1).astype(np.intp)
        for n, size, side in zip(logits.shape[1:], step, (rows, columns), strict=True)
    ]
    outside = glass if activation.valid is None else glass | ~activation.valid
    found[:, outside[np.ix_(*centres)]] = 0
    return ImageEvidence(
        activation.name,
        activation.shape,
        predictor.classes.names,
        ((found, step),),
        activation.mpp,
        _of_array(activation.image),
    )


def of_result(result: Any, image: Any = None, *, name: str | None = None) -> ImageEvidence:
    """The evidence of a result, of this session or stored.

    Parameters
    ----------
    result : path, SegmentationResult, StoredResult or StoredPyramid
        With probabilities, or class maps (CAMs), which are turned into them.
    image : path or array, optional
        The image or slide: without it, diversity is that of the guessed classes.
    name : str, optional
        Of the image; by default that of the record.

    Raises
    ------
    InputError
        If neither probabilities nor class maps were stored, or the image has another size.
    """
    found = open_result(Path(result)) if isinstance(result, str | Path) else result
    recorded = found.record.get("input", {}) if isinstance(found.record, dict) else {}
    called = name or str(recorded.get("name") or getattr(found, "name", "image"))
    if isinstance(found, StoredPyramid):
        found.check_complete()
        evidence = _of_pyramid(found, called, recorded)
    else:
        evidence = _of_image(found, called)
    return evidence if image is None else _with_pixels(evidence, image)


def _of_image(found: Segmentation, name: str) -> ImageEvidence:
    rows, columns = found.labels.shape
    if isinstance(found, SegmentationResult):
        maps: Any = found.probabilities
    elif isinstance(found, StoredResult) and found.cams is not None and found.instances is None:
        cams = np.clip(found.cams, _LEAST, 1 - _LEAST)
        maps = _softmax(np.log(cams / (1 - cams)))  # a CAM is the sigmoid of what the softmax takes
        maps[:, found.labels == 0] = 0
    else:
        raise _without_maps(name)
    return ImageEvidence(name, (rows, columns), found.classes.names, ((maps, (1.0, 1.0)),), found.mpp)


def _of_pyramid(found: StoredPyramid, name: str, recorded: dict[str, Any]) -> ImageEvidence:
    maps = found.probabilities
    if not maps:
        raise _without_maps(name)
    step = found.downsample
    shape = recorded.get("shape") or [math.ceil(side * step) for side in found.labels[0].shape]
    mpp = None if found.mpp is None else found.mpp / step
    levels = tuple((level, (step * 2**i, step * 2**i)) for i, level in enumerate(maps))
    return ImageEvidence(name, (int(shape[0]), int(shape[1])), found.classes.names, levels, mpp)


def _without_maps(name: str) -> InputError:
    return InputError(
        f"{name}: expected a result with probabilities or class maps, got neither; segment again and save "
        "them (of a slide --outputs probabilities, of an image --outputs mask,cams)"
    )


def _with_pixels(evidence: ImageEvidence, image: Any) -> ImageEvidence:
    slide = image if isinstance(image, Slide) else None
    if slide is None and isinstance(image, str | Path):
        slide = large_slide(image) or (open_slide(image) if len(evidence.levels) > 1 else None)
    if slide is not None:
        shape, read = slide.shape, _of_slide(slide)
    else:
        pixels = as_image(image).pixels
        shape, read = (pixels.shape[0], pixels.shape[1]), _of_array(pixels)
    if shape != evidence.shape:
        raise InputError(
            f"{evidence.name}: expected the image of the result, {evidence.shape[0]} x {evidence.shape[1]} "
            f"pixels, got {shape[0]} x {shape[1]}; check which image it was made from"
        )
    return ImageEvidence(evidence.name, evidence.shape, evidence.classes, evidence.levels, evidence.mpp, read)


def _of_array(image: RGBImage) -> Pixels:
    def read(row: int, column: int, height: int, width: int, side: int) -> RGBImage:
        part = image[row : row + height, column : column + width]
        return np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BOX))

    return read


def _of_slide(slide: Slide) -> Pixels:
    def read(row: int, column: int, height: int, width: int, side: int) -> RGBImage:
        fits = [
            i for i, level in enumerate(slide.levels) if height / (slide.shape[0] / level.shape[0]) >= side
        ]
        level = fits[-1] if fits else 0
        scale = [whole / part for whole, part in zip(slide.shape, slide.levels[level].shape, strict=True)]
        part = slide.read(
            level,
            int(row / scale[0]),
            int(column / scale[1]),
            max(1, round(height / scale[0])),
            max(1, round(width / scale[1])),
        )
        return np.asarray(Image.fromarray(part).resize((side, side), Image.Resampling.BOX))

    return read


def _softmax(logits: FloatArray) -> FloatArray:
    shifted = np.exp(logits - logits.max(axis=0))
    found: FloatArray = (shifted / shifted.sum(axis=0)).astype(np.float32)
    return found
