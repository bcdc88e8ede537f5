from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.metrics.bootstrap import bootstrap_scores, bootstrap_sums, percentile_interval
from napari_construct.metrics.segmentation import score_arrays, scores_from_confusion


def _matrices(right: list[int], n: int = 100) -> np.ndarray:
    """Images of n pixels of class 0, of which some are called so and the rest left unlabelled."""
    matrices = np.zeros((len(right), 2, 3), dtype=np.int64)
    matrices[:, 0, 0], matrices[:, 0, 2] = right, [n - r for r in right]
    return matrices


def test_equal_images_give_an_interval_of_no_width() -> None:
    drawn = bootstrap_scores(_matrices([70] * 5)[None], resamples=100)
    low, high = percentile_interval(drawn["miou"])
    assert low == high == pytest.approx(0.7)
    assert drawn["iou"].shape == (100, 2)
    assert np.isnan(percentile_interval(drawn["iou"])[0][1]), "the second class is nowhere"


def test_closed_form_of_two_images() -> None:
    """Two images with IoU 0 and 1: a draw holds 0, 1 or 2 of the second with 1/4, 1/2, 1/4."""
    drawn = bootstrap_scores(_matrices([0, 100])[None], resamples=4000, seed=3)["miou"]
    shares = [(drawn == value).mean() for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    # five standard errors of the mean: sqrt(1/8 / 4000)
    assert drawn.mean() == pytest.approx(0.5, abs=0.028)


def test_width_is_that_of_the_binomial_for_many_images() -> None:
    """Images right or wrong as a whole: the mean is binomial, and so is its interval."""
    drawn = bootstrap_scores(_matrices([0] * 40 + [100] * 60)[None], resamples=1500)["fwiou"]
    low, high = percentile_interval(drawn, level=0.95)
    assert (low, high) == pytest.approx(
        (0.6 - 1.96 * np.sqrt(0.0024), 0.6 + 1.96 * np.sqrt(0.0024)), abs=0.02
    )


def test_models_are_averaged_on_the_same_draws() -> None:
    first, second = _matrices([10, 90, 40]), _matrices([30, 20, 80])
    both = bootstrap_scores(np.stack([first, second]), resamples=300, seed=5)["miou"]
    alone = [bootstrap_scores(m[None], resamples=300, seed=5)["miou"] for m in (first, second)]
    np.testing.assert_allclose(both, np.mean(alone, axis=0))
    assert (both != bootstrap_scores(np.stack([first, second]), resamples=300, seed=6)["miou"]).any()


def test_many_matrices_score_as_each_alone() -> None:
    matrices = np.random.default_rng(0).integers(0, 50, (4, 3, 3, 4))
    matrices[0, 0, 1] = matrices[0, 0, :, 1] = 0
    together = score_arrays(matrices)
    for i, j in np.ndindex(4, 3):
        alone = scores_from_confusion(matrices[i, j])
        for name, value in alone.items():
            np.testing.assert_allclose(together[name][i, j], value)


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="one confusion matrix per model and image"):
        bootstrap_scores(np.zeros((3, 2, 3), dtype=np.int64))


def test_sums_and_scores_draw_the_same_images() -> None:
    matrices = _matrices([10, 40, 70, 90, 100])
    drawn = bootstrap_scores(matrices[None], resamples=300, seed=4)["miou"]
    sums = bootstrap_sums(matrices[:, 0, [0, 2]], resamples=300, seed=4)
    assert drawn == pytest.approx(sums[:, 0] / sums.sum(axis=1))
    with pytest.raises(InputError, match="one row an image"):
        bootstrap_sums(np.zeros((0, 3)))
