"""The record of a slide's result: enough to reproduce it, and to know a stopped run again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari_construct.data.slides.slide import Slide
from napari_construct.data.slides.tissue import TissueSettings
from napari_construct.export.own_files import RECORD_FORMAT
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.record import model_record
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.results.out_of_distribution import KEY, OutOfDistribution


def slide_record(
    slide: Slide,
    predictor: Predictor,
    settings: SegmentSettings,
    tissue: TissueSettings,
    *,
    mpp: tuple[float, float] | None,
    shape: tuple[int, int],
    presence: Sequence[bool],
    scores: Sequence[float],
    unlike: OutOfDistribution | None,
) -> dict[str, Any]:
    """Plain values for JSON: software, model, settings, input, presence; the caller adds what was measured.

    Parameters
    ----------
    slide, predictor, settings, tissue
        Of the run.
    mpp : tuple of float or None
        Micrometres per pixel of level 0 that were used.
    shape : tuple of int
        Rows and columns at the model's resolution.
    presence, scores : sequence
        Of every class.
    unlike : OutOfDistribution or None
        Score of the slide.
    """
    return {
        "format": RECORD_FORMAT,
        "colours": {tissue_class.name: tissue_class.colour for tissue_class in predictor.classes},
        "software": software_versions(),
        "model": model_record(predictor),
        "settings": settings.model_dump(mode="json"),
        "tissue": tissue.model_dump(mode="json"),
        "device": str(predictor.device),
        "input": {
            "name": slide.name,
            "format": slide.format,
            "shape": list(slide.shape),
            "mpp": None if mpp is None else math.sqrt(mpp[0] * mpp[1]),
            "mpp_of_rows_and_columns": mpp,
            "shape_at_model_resolution": list(shape),
        },
        "presence": {
            name: {"present": present, "score": score}
            for name, present, score in zip(predictor.classes.names, presence, scores, strict=True)
        },
        **({} if unlike is None else {KEY: unlike.as_record()}),
    }


def run_identity(slide: Slide, predictor: Predictor, settings: SegmentSettings) -> dict[str, Any]:
    """Plain values for JSON, by which a stopped run of the same slide, model and settings is known."""
    file = slide.path.stat()
    return {
        "slide": [slide.name, slide.image, file.st_size, file.st_mtime_ns],
        "model": model_record(predictor),
        "calibration": predictor.calibration.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
    }
