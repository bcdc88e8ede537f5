from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.decision.glass import background_mask
from napari_construct.inference.decision.presence import predicted_presence, presence_scores
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.models.network.pooling import pool_logits


def _image(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.repeat(np.array(colours, dtype=np.uint8)[None], 8, axis=0).repeat(8, axis=1)


def test_bright_and_pale_is_background() -> None:
    image = _image((240, 238, 242), (240, 200, 230), (230, 222, 250), (120, 60, 140), (200, 200, 200))
    found = background_mask(image, BackgroundRule(sigma=0, min_area=0))
    assert found[0, ::8].tolist() == [True, False, False, False, False]


def test_limits_are_included() -> None:
    image = _image((220, 240, 220), (219, 230, 230), (220, 241, 220))
    assert background_mask(image, BackgroundRule(sigma=0, min_area=0))[0, ::8].tolist() == [
        True,
        False,
        False,
    ]


def test_rule_can_be_off() -> None:
    assert not background_mask(_image((255, 255, 255)), BackgroundRule(enabled=False)).any()


def test_blur_removes_a_single_bright_pixel() -> None:
    image = np.full((32, 32, 3), (150, 80, 160), dtype=np.uint8)
    image[16, 16] = 255
    assert background_mask(image, BackgroundRule(sigma=0, min_area=0)).sum() == 1
    assert not background_mask(image, BackgroundRule(min_area=0)).any()


def test_small_white_areas_belong_to_the_tissue_around_them() -> None:
    image = np.full((100, 100, 3), (150, 80, 160), dtype=np.uint8)
    image[10:20, 10:20] = image[30:60, :] = 255  # a lumen and a band of glass
    assert background_mask(image, BackgroundRule(sigma=0)).sum() == 30 * 100  # more than a quarter
    assert background_mask(image, BackgroundRule(sigma=0, min_area=3001)).sum() == 30 * 100
    assert background_mask(image[:, :90], BackgroundRule(sigma=0, min_area=100)).sum() == 30 * 90 + 100
    assert background_mask(image[:25], BackgroundRule(sigma=0)).sum() == 0


@pytest.mark.parametrize("pooling", ["mean", "attention", "log_mean_exp"])
def test_score_of_a_patch_is_the_networks_own(pooling: str) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (3, 8, 8)).astype(np.float32)
    expected = pool_logits(torch.from_numpy(logits)[None], pooling)[0].sigmoid().tolist()
    assert presence_scores(logits, np.ones((8, 8), bool), (8, 8), pooling) == pytest.approx(expected)


def test_small_structure_in_a_large_image_is_found() -> None:
    logits = np.full((2, 64, 64), -5, dtype=np.float32)
    logits[1, 40:48, 40:48] = 5
    tissue = np.ones((64, 64), dtype=bool)
    low, high = presence_scores(logits[:, 16:, 16:], tissue[16:, 16:], (8, 8), "mean")
    assert low < 0.01
    assert high > 0.8  # 121 windows: the one on it and two that show half of it
    assert presence_scores(logits, tissue, (64, 64), "mean")[1] < 0.01


def test_one_window_that_leans_to_a_class_is_not_enough_in_a_large_image() -> None:
    logits = np.full((1, 64, 64), -5, dtype=np.float32)
    logits[0, 40:48, 40:48] = 1
    tissue = np.ones((64, 64), dtype=bool)
    assert presence_scores(logits[:, 40:48, 40:48], tissue[:8, :8], (8, 8), "mean")[0] > 0.7
    assert presence_scores(logits, tissue, (8, 8), "mean")[0] < 0.3


def test_score_of_many_windows_has_a_closed_form() -> None:
    """1600 windows side by side would ask for 33; 16 are averaged: 4 at 6 and 12 at -2 make 0."""
    logits = np.full((1, 80, 80), -2, dtype=np.float32)
    for n in range(4):
        logits[0, 8 * n, 8 * n] = 6
    tissue = np.ones((80, 80), dtype=bool)
    assert presence_scores(logits, tissue, (1, 1), "mean")[0] == pytest.approx(0.5)


def test_glass_has_no_say() -> None:
    logits = np.full((1, 16, 16), -5, dtype=np.float32)
    logits[:, :, 8:] = 5
    tissue = np.zeros((16, 16), dtype=bool)
    tissue[:, :8] = True
    assert presence_scores(logits, tissue, (8, 8), "mean")[0] == pytest.approx(
        0.5
    )  # the half-overlapping window
    assert presence_scores(logits, ~tissue, (8, 8), "mean")[0] > 0.99
    assert presence_scores(logits, np.zeros_like(tissue), (8, 8), "mean")[0] > 0.99


def test_thresholds_decide_and_one_class_remains() -> None:
    assert predicted_presence((0.6, 0.4), (), any_tissue=True) == (True, False)
    assert predicted_presence((0.6, 0.4), (0.7, 0.4), any_tissue=True) == (False, True)
    assert predicted_presence((0.2, 0.3), (), any_tissue=True) == (False, True)
    assert predicted_presence((0.2, 0.3), (0.3, 0.9), any_tissue=True) == (True, False)
    assert predicted_presence((0.9, 0.9), (), any_tissue=False) == (False, False)
    with pytest.raises(ConfigurationError, match="expected 2 presence thresholds"):
        predicted_presence((0.2, 0.3), (0.5,), any_tissue=True)
