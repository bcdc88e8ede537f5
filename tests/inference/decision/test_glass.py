"""Glass against scipy's blur of the whole image, and labels against numpy's argmax."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_construct.inference.decision.decider import _largest
from napari_construct.inference.decision.glass import background_mask
from napari_construct.models.network.calibration import BackgroundRule


@pytest.mark.parametrize("sigma", [0.1, 2.0, 7.3, 50.0])
@pytest.mark.parametrize("shape", [(300, 500), (20, 16), (3, 40_000)])
def test_blur_is_scipys_in_every_strip(sigma: float, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    waves = (
        215 + 30 * np.sin(np.arange(shape[0]) / 9)[:, None, None] * np.sin(np.arange(shape[1]) / 7)[:, None]
    )
    image = (waves + random.normal(0, 8, (*shape, 3))).clip(0, 255).astype(np.uint8)
    rule = BackgroundRule(brightness=217, chroma=5, sigma=sigma, min_area=0)
    seen = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest", truncate=3.0)
    darkest, spread = seen.min(-1), np.ptp(seen, axis=-1)
    found = background_mask(image, rule)
    clear = (abs(darkest - rule.brightness) > 0.002) & (abs(spread - rule.chroma) > 0.002)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(found[clear], ((darkest >= 217) & (spread <= 5))[clear])


@pytest.mark.parametrize("sigma", [0.0, 2.0, 33.3])
def test_even_areas_on_a_limit_are_white(sigma: float) -> None:
    image = np.full((50, 70, 3), (220, 240, 233), dtype=np.uint8)
    rule = BackgroundRule(sigma=sigma, min_area=0)
    assert background_mask(image, rule).all()
    assert not background_mask(image, rule.changed(brightness=220.01)).any()
    assert not background_mask(image, rule.changed(chroma=19.99)).any()


def test_an_image_that_cannot_be_written_to_is_read() -> None:
    image = np.full((20, 20, 3), 255, dtype=np.uint8)
    image.flags.writeable = False
    assert background_mask(image, BackgroundRule()).all()


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_the_first_of_equal_probabilities_is_taken(k: int) -> None:
    p = np.random.default_rng(k).integers(0, 4, (k, 30, 40)).astype(np.float32) / 4
    np.testing.assert_array_equal(_largest(p), p.argmax(0))
