from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.metrics.reliability import reliability


def _two(p: np.ndarray) -> np.ndarray:
    return np.stack([p, 1 - p])


def test_closed_form() -> None:
    """Ten pixels at 0.8, of which six are right, and ten at 0.6, of which six are right."""
    p = np.array([[0.8] * 10, [0.6] * 10])
    truth = np.array([[0] * 6 + [1] * 4] * 2)
    found = reliability(_two(p), truth)
    assert found.errors == pytest.approx([0.5 * 0.2 + 0.5 * 0.0] * 3)
    assert found.count.sum() == 3 * 20
    (bins,) = np.nonzero(found.count[0])
    assert bins.tolist() == [8, 11]  # (8/15, 9/15] and (11/15, 12/15]
    assert found.accuracy[0, bins] == pytest.approx([0.6, 0.6])
    assert found.mean_confidence[0, bins] == pytest.approx([0.6, 0.8])


def test_calibrated_by_construction_has_no_error() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.0, 1.0, (200, 250))
    truth = (random.uniform(size=p.shape) >= p).astype(np.uint8)
    errors = reliability(_two(p), truth).errors
    assert (errors < 0.01).all()  # sampling noise of 50,000 pixels in 15 bins
    overconfident = reliability(_two(np.where(p > 0.5, 0.999, 0.001)), truth).errors
    assert overconfident == pytest.approx([0.249, 0.249, 0.249], abs=0.01)


def test_ignored_and_silent_pixels_make_no_claim() -> None:
    p = _two(np.array([[0.9, 0.9, 0.9]]))
    p[:, 0, 1] = 0
    found = reliability(p, np.array([[0, 0, 7]]), ignore=(7,))
    assert found.without_probability == 1
    assert found.count.sum(axis=1).tolist() == [1, 1, 1]
    assert found.errors == pytest.approx([0.1, 0.1, 0.1])
    nothing = reliability(p, np.full((1, 3), 7), ignore=(7,))
    assert np.isnan(nothing.errors).all()
    assert (nothing + found).errors == pytest.approx(found.errors)


def test_images_add_up_and_borders_belong_to_the_lower_bin() -> None:
    p = np.linspace(0, 1, 31).reshape(1, 31)
    truth = np.zeros((1, 31), int)
    whole = reliability(_two(p), truth)
    parts = reliability(_two(p[:, :9]), truth[:, :9]) + reliability(_two(p[:, 9:]), truth[:, 9:])
    np.testing.assert_array_equal(whole.count, parts.count)
    np.testing.assert_allclose(whole.confidence, parts.confidence)
    assert reliability(np.array([[[0.2]], [[0.8]]]), np.zeros((1, 1)), bins=5).count[1].tolist() == [
        1,
        0,
        0,
        0,
        0,
    ]


def test_shapes_must_match() -> None:
    with pytest.raises(InputError, match="belong together"):
        reliability(np.zeros((2, 3, 3)), np.zeros((3, 4)))
