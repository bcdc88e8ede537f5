"""The learning rate as a function of the step."""

from __future__ import annotations

import math

POLYNOMIAL_POWER = 0.9
"""Usual for segmentation (Chen et al. 2017)."""


def rate_factor(step: int, total: int, *, schedule: str, warm_up: float) -> float:
    """Factor of the base learning rate at step ``step`` of ``total``, 0 to 1.

    A linear rise over the share ``warm_up`` of the steps, then ``(1 - t) ** 0.9`` ("polynomial"),
    ``(1 + cos(pi t)) / 2`` ("cosine") or 1 ("constant"), where t runs from 0 to 1.
    """
    rising = math.ceil(total * warm_up)
    if step < rising:
        return (step + 1) / rising
    t = (step - rising) / max(total - rising, 1)
    if schedule == "polynomial":
        return float((1 - t) ** POLYNOMIAL_POWER)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * t)) / 2
    return 1.0
