from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.refinement.safeguard import compare_masks, protect_regions


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    """Two islands of class 2 in class 1: the lower one is erased, the upper one halved."""
    before = np.ones((40, 60), np.uint8)
    before[5:11, 10:20] = 2
    before[20:30, 30:50] = 2
    after = before.copy()
    after[5:8, 10:20] = 1
    after[20:30, 30:50] = 0
    return before, after


def test_names_what_was_erased(masks):
    report = compare_masks(*masks, 3)
    (region,) = report.erased
    assert (region.label, region.area, region.kept, region.became) == (2, 200, 0, 0)
    assert region.centre == (24.5, 39.5)
    assert region.box == (20, 30, 30, 50)
    assert report.area_before == (0, 2400 - 260, 260)
    assert report.area_change == (200, 30, -230)
    assert report.changed == pytest.approx(230 / 2400)
    text = report.summary(["white", "stroma", "tumour"])
    assert "Erased: tumour, 200 px at row 24, column 40, now white" in text
    assert "class 2" in report.summary()


def test_thresholds(masks):
    assert [r.area for r in compare_masks(*masks, 3, min_kept=0.5).erased] == [200, 60]
    assert compare_masks(*masks, 3, min_area=201).erased == ()
    assert compare_masks(*masks, 3, ignore=[2]).erased == ()


def test_corners_connect():
    before = np.zeros((4, 4), int)
    before[0, 0] = before[1, 1] = 1
    assert [r.area for r in compare_masks(before, np.zeros_like(before), 2, min_area=1).erased] == [2]


def test_equal_masks_have_nothing_to_report(masks):
    report = compare_masks(masks[0], masks[0], 3)
    assert report.erased == ()
    assert report.changed == 0
    assert report.area_change == (0, 0, 0)


def test_confident_regions_are_put_back(masks):
    before, after = masks
    confidence = np.zeros(before.shape, np.float32)
    confidence[20:30, 30:50] = 0.95
    kept = protect_regions(before, after, confidence, threshold=0.9)
    assert (kept[20:30, 30:50] == 2).all()
    np.testing.assert_array_equal(kept[:20], after[:20])
    assert kept.dtype == after.dtype
    np.testing.assert_array_equal(protect_regions(before, after, confidence, min_area=201), after)
    np.testing.assert_array_equal(protect_regions(before, after, confidence, ignore=[2]), after)


def test_clear_errors(masks):
    before, after = masks
    with pytest.raises(InputError, match="one size"):
        compare_masks(before, after[1:], 3)
    with pytest.raises(InputError, match="labels from 0 to 1"):
        compare_masks(before, after, 2)
    with pytest.raises(InputError, match="integer"):
        compare_masks(before.astype(float), after, 3)
    with pytest.raises(InputError, match="confidence"):
        protect_regions(before, after, np.zeros((2, 2)))
