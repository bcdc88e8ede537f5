"""The reference backend: pydensecrf, the permutohedral-lattice library of the literature."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.inputs import unary_energy
from napari_construct.crf.base.params import CRFParameters
from napari_construct.exceptions import ConfigurationError


def pydensecrf_mean_field(
    image: UInt8[Tensor, "b h w 3"], probabilities: Float[Tensor, "b k h w"], parameters: CRFParameters
) -> Generator[bool, None, Float[Tensor, "b k h w"]]:
    """Refine with pydensecrf: one thread of the CPU, one image after the other.

    Yields after every iteration of every image.
    """
    module = _import()
    refined: list[Tensor] = []
    for one, given in zip(image, probabilities, strict=True):
        refined.append((yield from _one_image(module, one, given, parameters)))
    return torch.stack(refined).to(probabilities.device)


def _import() -> Any:
    try:
        from pydensecrf import densecrf
    except ImportError as error:
        raise ConfigurationError(
            "expected pydensecrf for the backend 'pydensecrf', got none installed; run "
            "'pip install napari-construct[pydensecrf]' (needs a C++ compiler) or use backend 'auto'"
        ) from error
    return densecrf


def _one_image(
    module: Any,
    image: UInt8[Tensor, "h w 3"],
    probabilities: Float[Tensor, "k h w"],
    parameters: CRFParameters,
) -> Generator[bool, None, Float[Tensor, "k h w"]]:
    k, h, w = probabilities.shape
    energy = unary_energy(probabilities.detach()[None])[0].reshape(k, h * w).cpu().numpy()
    crf = module.DenseCRF2D(w, h, k)
    crf.setUnaryEnergy(np.ascontiguousarray(energy, dtype=np.float32))
    if parameters.smoothness_weight > 0:
        crf.addPairwiseGaussian(sxy=parameters.smoothness_sigma, compat=parameters.smoothness_weight)
    if parameters.appearance_weight > 0:
        crf.addPairwiseBilateral(
            sxy=parameters.appearance_sigma_xy,
            srgb=parameters.appearance_sigma_rgb,
            rgbim=np.ascontiguousarray(image.cpu().numpy()),
            compat=parameters.appearance_weight,
        )
    q, message, normalised = crf.startInference()
    for _ in range(parameters.iterations):
        crf.stepInference(q, message, normalised)
        yield True
    refined = np.array(q, dtype=np.float32)
    return torch.from_numpy(refined.reshape(k, h, w))
