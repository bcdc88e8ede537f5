from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, Factorisation, dense_crf, fit_crf
from napari_construct.crf import learn_weights as module
from napari_construct.crf.lowrank.gradients import differentiable_mean_field
from napari_construct.exceptions import InputError


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


def test_slopes_are_those_of_the_differentiable_mean_field(small):
    image, p = small
    mask = dense_crf(
        image, p, CRFParameters(smoothness_weight=2, appearance_weight=20), backend="exact"
    ).labels
    made = Factorisation(image, accuracy="fine")
    given, target = torch.from_numpy(p)[None], torch.from_numpy(mask).long()[None]
    weights = torch.tensor([3.0, 6.0], requires_grad=True)
    log_q = differentiable_mean_field(made.kernels[0], given, (weights[0], weights[1]), 5, logarithm=True)
    loss = -log_q.gather(1, target[:, None]).mean()
    (gradient,) = torch.autograd.grad(loss, weights)
    cases = [(made, given, target, torch.ones_like(target, dtype=torch.bool))]
    base = module._loss(cases, [3.0, 6.0], 5)
    assert base == pytest.approx(loss.item(), rel=2e-3)
    step = np.exp(module.SLOPE_STEP)
    slopes = [module._loss(cases, w, 5) - base for w in ([3 * step, 6.0], [3.0, 6 * step])]
    expected = gradient * weights.detach()
    np.testing.assert_allclose(np.array(slopes) / module.SLOPE_STEP, expected, rtol=0.15, atol=2e-3)


def test_window_has_the_most_borders():
    target = torch.zeros(700, 900, dtype=torch.long)
    target[400:500:2, 600:700:2] = 1
    known = torch.ones_like(target, dtype=torch.bool)
    rows, columns = module._window(target, known)
    assert rows.stop - rows.start == columns.stop - columns.start == module.WINDOW
    assert rows.start <= 400
    assert rows.stop >= 500
    assert columns.start <= 600
    assert columns.stop >= 700
    assert module._window(target[:300, :200], known[:300, :200]) == (slice(0, 300), slice(0, 200))
    wide = module._window(target[:100], known[:100])
    assert (wide[0], wide[1].stop - wide[1].start) == (slice(0, 100), module.WINDOW)


def test_ends_where_nothing_is_gained(small):
    image, p = small
    mask = dense_crf(image, p, CRFParameters(smoothness_weight=0, appearance_weight=0)).labels
    certain = np.where(mask == np.arange(5)[:, None, None], 0.996, 0.001).astype(np.float32)
    fit = fit_crf([image], [certain], [np.zeros_like(mask)], CRFParameters(iterations=0), steps=30)
    assert len(fit.losses) == module.PATIENCE + 1
