from __future__ import annotations

import numpy as np
import pytest

from napari_construct.crf import CRFParameters, Factorisation, dense_crf
from napari_construct.crf.lowrank.settings import accuracy_of
from napari_construct.exceptions import ConfigurationError, InputError


def test_auto_goes_by_the_size() -> None:
    sides = {200: "fine", 201: "medium", 320: "medium", 321: "fast"}
    assert {side: accuracy_of("auto", side * side) for side in sides} == sides
    assert accuracy_of("fine", 4096 * 4096) == "fine"


def test_factorisation_is_reused(tissue, probabilities):
    made = Factorisation(tissue)
    weaker = CRFParameters(smoothness_weight=5, appearance_weight=7, iterations=3)
    for parameters in (CRFParameters(), weaker):
        one = made.refine(probabilities, parameters)
        two = dense_crf(tissue, probabilities, parameters)
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
    with pytest.raises(ConfigurationError, match="appearance_sigma_rgb"):
        made.refine(probabilities, CRFParameters(appearance_sigma_rgb=9))
    with pytest.raises(InputError, match="new Factorisation"):
        made.refine(probabilities[:, :-1])
    with pytest.raises(InputError, match="new Factorisation"):
        made.refine(probabilities[None])
