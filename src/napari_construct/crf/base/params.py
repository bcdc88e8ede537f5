"""The parameters of the dense CRF, with the ConStruct paper's values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sigma = Annotated[float, Field(gt=0.0, le=1000.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=1e4, allow_inf_nan=False)]


class CRFParameters(BaseModel):
    """Kernels, weights and iterations of a dense CRF; the defaults are those of the ConStruct paper.

    Parameters
    ----------
    smoothness_sigma : float
        Standard deviation of the smoothness kernel, pixels.
    smoothness_weight : float
        Weight of the smoothness kernel; 0 disables it.
    appearance_sigma_xy : float
        Spatial standard deviation of the appearance kernel, pixels.
    appearance_sigma_rgb : float
        Colour standard deviation of the appearance kernel, grey levels (0 to 255).
    appearance_weight : float
        Weight of the appearance kernel; 0 disables it.
    iterations : int
        Mean-field iterations; 0 returns the probabilities as given, clipped and normalised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoothness_sigma: Sigma = 15.0
    smoothness_weight: Weight = 30.0
    appearance_sigma_xy: Sigma = 10.0
    appearance_sigma_rgb: Sigma = 20.0
    appearance_weight: Weight = 50.0
    iterations: Annotated[int, Field(ge=0, le=1000)] = 5
