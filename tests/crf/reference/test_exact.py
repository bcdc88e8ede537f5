"""The reference of everything else, proved by a closed form, limits and a plain double loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, dense_crf
from napari_construct.crf.reference import exact as module
from napari_construct.exceptions import InputError


def by_the_book(image: np.ndarray, p: np.ndarray, parameters: CRFParameters) -> np.ndarray:
    """The equations of the docstring, with whole kernel matrices in float64."""
    k, h, w = p.shape
    y, x = np.mgrid[:h, :w]
    position = np.stack([y, x], -1).reshape(-1, 2).astype(float)
    colour = image.reshape(-1, 3).astype(float)
    space = ((position[:, None] - position) ** 2).sum(-1)
    rgb = ((colour[:, None] - colour) ** 2).sum(-1)
    smooth = np.exp(-space / (2 * parameters.smoothness_sigma**2))
    appear = np.exp(
        -space / (2 * parameters.appearance_sigma_xy**2) - rgb / (2 * parameters.appearance_sigma_rgb**2)
    )
    total = np.zeros_like(smooth)
    for kernel, weight in ((smooth, parameters.smoothness_weight), (appear, parameters.appearance_weight)):
        d = kernel.sum(1) ** -0.5
        total += weight * d[:, None] * kernel * d
    logits = np.log(np.clip(p.reshape(k, -1).T.astype(float), 1e-5, 1))
    q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for _ in range(parameters.iterations):
        message = logits + total @ q
        q = np.exp(message - message.max(1, keepdims=True))
        q /= q.sum(1, keepdims=True)
    return q.T.reshape(k, h, w)


def test_equals_the_equations(small):
    image, p = small[0][:20, :17], small[1][:, :20, :17]
    parameters = CRFParameters(smoothness_weight=3, appearance_weight=5)
    refined = dense_crf(image, p, parameters, backend="exact")
    np.testing.assert_allclose(refined.probabilities, by_the_book(image, p, parameters), atol=2e-5)
    assert refined.error_bound == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ihc", "camelyon"])
def test_golden_numbers(shared, name):
    with np.load(shared / "parity" / "dense_crf_exact.npz") as z:
        image, p, exact = z[f"{name}_image"], z[f"{name}_probabilities"], z[f"{name}_exact"]
    refined = dense_crf(image, p, backend="exact")
    assert np.abs(refined.probabilities - exact).max() < 1e-3
    assert (refined.labels == exact.argmax(0)).mean() > 0.9999


def test_chunks_do_not_matter(small, monkeypatch):
    image, p = small[0][:20, :24], small[1][:, :20, :24]
    whole = dense_crf(image, p, backend="exact").probabilities
    monkeypatch.setattr(module, "CHUNK_ENTRIES", 7 * image.shape[0] * image.shape[1])
    np.testing.assert_allclose(dense_crf(image, p, backend="exact").probabilities, whole, atol=1e-4)


def test_one_pixel_closed_form():
    # alone, the normalised kernels are 1: q <- softmax(log p + (w1 + w2) q)
    p = np.array([0.6, 0.4], dtype=np.float32).reshape(2, 1, 1)
    parameters = CRFParameters(smoothness_weight=1, appearance_weight=2, iterations=1)
    refined = dense_crf(np.zeros((1, 1, 3), np.uint8), p, parameters)
    expected = torch.softmax(torch.tensor([0.6, 0.4]).log() + 3 * torch.tensor([0.6, 0.4]), 0)
    np.testing.assert_allclose(refined.probabilities[:, 0, 0], expected, atol=1e-6)


def test_too_large_is_refused():
    with pytest.raises(InputError, match="lowrank"):
        dense_crf(np.zeros((513, 513, 3), np.uint8), np.full((2, 513, 513), 0.5, np.float32), backend="exact")
