"""The dense CRF as one function."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

from napari_construct.exceptions import ConfigurationError
from napari_construct.refinement.dense_crf.exact import exact_mean_field
from napari_construct.refinement.dense_crf.inputs import ArrayLike, check, result
from napari_construct.refinement.dense_crf.lowrank import lowrank_mean_field
from napari_construct.refinement.dense_crf.params import CRFParameters
from napari_construct.refinement.dense_crf.pydensecrf import pydensecrf_mean_field
from napari_construct.refinement.dense_crf.result import CRFResult

Backend = Literal["auto", "lowrank", "exact", "pydensecrf"]


def dense_crf(
    image: ArrayLike,
    probabilities: ArrayLike,
    parameters: CRFParameters | None = None,
    *,
    backend: Backend = "auto",
    device: torch.device | str | None = None,
) -> CRFResult[Any]:
    """Refine label probabilities with a fully connected conditional random field."""
    parameters = CRFParameters() if parameters is None else parameters
    if backend not in get_args(Backend):
        raise ConfigurationError(f"expected a backend of {', '.join(get_args(Backend))}, got {backend!r}")
    inputs = check(image, probabilities, device)
    if backend == "pydensecrf":
        refined = pydensecrf_mean_field(inputs.image, inputs.probabilities, parameters)
        return result(inputs, refined, "pydensecrf")
    if backend == "lowrank" or (backend == "auto" and inputs.image[0, ..., 0].numel() > 64 * 64):
        refined = lowrank_mean_field(inputs.image, inputs.probabilities, parameters)
        return result(inputs, refined, "lowrank", rank=96)
    refined = exact_mean_field(inputs.image, inputs.probabilities, parameters)
    return result(inputs, refined, "exact", error_bound=0.0)
