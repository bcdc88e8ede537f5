from __future__ import annotations

import numpy as np

from napari_construct.evaluation.scores.structures import SIZES, size_names, small_structures


def test_closed_form() -> None:
    """A bud of 6 x 6 that is true and one of 20 x 20 that is not; the CRF erases both."""
    truth = np.zeros((100, 100), dtype=np.uint8)
    truth[10:16, 10:16] = 1
    truth[:, 90:] = 9
    before = np.ones((100, 100), dtype=np.uint8)
    before[10:16, 10:16] = 2
    before[50:70, 50:70] = 2
    before[80:82, 80:82] = 2  # a speck
    after = np.ones((100, 100), dtype=np.uint8)
    found = small_structures(truth, before, after, 2, ignore=(9,))
    assert found.regions.tolist() == [[0, 0, 0, 1, 0], [1, 1, 0, 0, 0]]
    assert found.erased.tolist() == [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert found.true_regions.tolist() == [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0]]
    assert found.found_before.tolist() == found.true_regions.tolist()
    assert found.found_after.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    assert (found + found).erased.sum() == 4


def test_half_of_a_region_is_not_enough_to_find_it() -> None:
    truth = np.full((16, 16), 9, dtype=np.uint8)
    truth[4:8, 4:8] = 0
    before = np.zeros((16, 16), dtype=np.uint8)
    before[4:6, 4:8] = 1
    after = before.copy()
    after[6, 4] = 1
    found = small_structures(truth, before, after, 1, ignore=(9,))
    assert (found.found_before.sum(), found.found_after.sum()) == (0, 1)


def test_names_of_the_sizes() -> None:
    assert size_names() == ["16-255", "256-1023", "1024-4095", "4096-16383", "16384+"]
    assert [int(np.sqrt(size)) for size in SIZES] == [4, 16, 32, 64, 128]
