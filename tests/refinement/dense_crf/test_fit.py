from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.refinement.dense_crf import CRFParameters, dense_crf, fit_crf


def test_finds_weights_that_explain_the_masks(small):
    image, p = small
    true = CRFParameters(smoothness_weight=2.0, appearance_weight=20.0)
    mask = dense_crf(image, p, true, backend="exact").labels
    start = CRFParameters(smoothness_weight=1.0, appearance_weight=1.0)
    fit = fit_crf([image], [p], [mask], start, steps=15)
    assert min(fit.losses) < 0.6 * fit.losses[0]
    before = (dense_crf(image, p, start).labels == mask).mean()
    after = (dense_crf(image, p, fit.parameters).labels == mask).mean()
    assert after > before
    assert fit.parameters.smoothness_sigma == start.smoothness_sigma


def test_ignored_pixels_do_not_count(small):
    image, p = small
    mask = dense_crf(image, p, backend="exact").labels.astype(int)
    wrong = mask.copy()
    wrong[:, :10] = 255
    plain = fit_crf([image], [p], [wrong], steps=1, ignore=255)
    assert np.isfinite(plain.losses[0])
    with pytest.raises(InputError, match="ignore"):
        fit_crf([image], [p], [wrong], steps=1)
    with pytest.raises(InputError, match="labelled"):
        fit_crf([image], [p], [np.full_like(mask, 255)], steps=1, ignore=255)


def test_clear_errors(small):
    image, p = small
    with pytest.raises(InputError, match="as many"):
        fit_crf([image], [p], [])
    with pytest.raises(InputError, match="as many"):
        fit_crf([], [], [])
    with pytest.raises(InputError, match="nearest"):
        fit_crf([image], [p], [np.zeros((3, 3), int)])
