from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_construct.crf import CRFParameters


def test_defaults_are_the_papers():
    p = CRFParameters()
    assert (p.smoothness_sigma, p.smoothness_weight) == (15.0, 30.0)
    assert (p.appearance_sigma_xy, p.appearance_sigma_rgb, p.appearance_weight, p.iterations) == (
        10,
        20,
        50,
        5,
    )


def test_frozen_and_closed():
    with pytest.raises(ValidationError, match="frozen"):
        CRFParameters().iterations = 3
    with pytest.raises(ValidationError, match="sigma"):
        CRFParameters(sigma=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothness_sigma": 0},
        {"appearance_sigma_xy": -1},
        {"appearance_sigma_rgb": float("nan")},
        {"appearance_weight": -1},
        {"smoothness_weight": float("inf")},
        {"iterations": -1},
        {"iterations": 1.5},
    ],
)
def test_bounds(wrong):
    with pytest.raises(ValidationError):
        CRFParameters(**wrong)
