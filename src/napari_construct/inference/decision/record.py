"""The record of every result: enough to reproduce it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import scipy

from napari_construct.inference.activation.activation import Activation
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.refinement.safeguard import RefinementReport
from napari_construct.results.out_of_distribution import KEY, OutOfDistribution
from napari_construct.types import RGBImage

LISTED_REGIONS: Final = 50


def decision_notices(record: Mapping[str, Any], activation: Activation) -> tuple[str, ...]:
    """The notices of a result that came with its decision, after those of the network's pass."""
    return tuple(record["notices"][len(activation.notices) :])


def result_record(
    activation: Activation,
    predictor: Predictor,
    settings: SegmentSettings,
    presence: Sequence[bool],
    scores: Sequence[float],
    *,
    refinement: RefinementReport | None,
    unlike: OutOfDistribution | None,
    notices: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """Plain values for JSON: software, model, settings, device, input, presence, refinement, notices,
    times.
    """
    names = predictor.classes.names
    run = activation.record
    return {
        "software": software_versions() | {"numpy": np.__version__, "scipy": scipy.__version__},
        "model": model_record(predictor),
        "settings": settings.model_dump(mode="json"),
        "device": str(predictor.device),
        "input": {
            "name": activation.name,
            "sha256": image_hash(activation.image),
            "shape": list(activation.image.shape),
            "mpp": activation.mpp,
            **_assumed(activation, predictor),
            "shape_at_model_resolution": run.get("shape_at_model_resolution"),
        },
        "tiles": run.get("tiles"),
        "views": run.get("views"),
        "presence": {
            name: {"present": present, "score": score}
            for name, present, score in zip(names, presence, scores, strict=True)
        },
        "refinement": None if refinement is None else _refinement(refinement, ("unlabelled", *names)),
        **({} if unlike is None else {KEY: unlike.as_record()}),
        "notices": list(notices),
        "times": {
            "started": run.get("started"),
            "network_seconds": run.get("seconds"),
            "finish_seconds": seconds,
        },
    }


def _assumed(activation: Activation, predictor: Predictor) -> dict[str, float]:
    """The pixel size that an image of unknown size was taken to have: that of the training patches."""
    assumed = predictor.patch_mpp if activation.mpp is None else None
    return {} if assumed is None else {"mpp_assumed": assumed}


def model_record(predictor: Predictor) -> dict[str, Any]:
    """Identity of a model: name, hashes of checkpoint and encoder, classes, resolution."""
    checkpoint = predictor.checkpoint
    return {
        "name": predictor.name,
        "sha256": predictor.sha256,
        "preset": checkpoint.config.preset,
        "encoder": checkpoint.config.encoder,
        "encoder_sha256": predictor.encoder_sha256,
        "classes": list(checkpoint.classes.names),
        "mpp": checkpoint.mpp,
        "data_fingerprint": checkpoint.data_fingerprint,
        **({"zero_shot": checkpoint.training["zero_shot"]} if "zero_shot" in checkpoint.training else {}),
    }


def _refinement(report: RefinementReport, names: Sequence[str]) -> dict[str, Any]:
    """The safeguard's report by class names; of many erased regions, the largest are listed."""
    return {
        "changed_fraction": report.changed,
        "area_change": dict(zip(names, report.area_change, strict=True)),
        "erased_regions": len(report.erased),
        "largest_erased": [
            {
                "class": names[region.label],
                "became": names[region.became],
                "area": region.area,
                "centre": list(region.centre),
            }
            for region in report.erased[:LISTED_REGIONS]
        ],
    }


def image_hash(image: RGBImage) -> str:
    """SHA-256 of the pixels, row by row; the same for every file that holds them."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
