from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries, watershed

from napari_construct.exceptions import InputError
from napari_construct.metrics.instances import instance_counts
from napari_construct.refinement.instances import instance_table, instances, without_small


def discs(*middles: tuple[int, int], radius: float, shape: tuple[int, int]) -> np.ndarray:
    """Numbered discs; where they overlap, the nearest middle has the pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = np.stack([np.hypot(rows - y, columns - x) for y, x in middles])
    return np.where(distance.min(0) < radius, distance.argmin(0) + 1, 0).astype(np.int32)


def maps(cells: np.ndarray, sigma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Foreground and boundary as a network would give them."""
    border = find_boundaries(cells, connectivity=1, mode="inner")
    return tuple(ndimage.gaussian_filter(m.astype(np.float32), sigma) for m in (cells > 0, border))


TOUCHING = discs((16, 14), (16, 30), (32, 22), radius=10, shape=(48, 48))


def test_touching_cells_are_split() -> None:
    foreground, boundary = maps(TOUCHING)
    found = instances(foreground, boundary)
    assert found.dtype == np.int32
    assert found.max() == 3
    assert ((found > 0) == (foreground >= 0.5)).all()
    scores = instance_counts(TOUCHING, found).scores()
    assert scores["ap"][7] == 1  # IoU 0.85


def test_a_waist_divides_what_the_boundary_does_not() -> None:
    pair = discs((16, 14), (16, 30), radius=10, shape=(32, 45))
    foreground, _ = maps(pair)
    found = instances(foreground)
    assert found.max() == 2
    assert instance_counts(pair, found).scores()["ap"][7] == 1  # IoU 0.85
    assert instances(foreground, split_tolerance=8.0).max() == 1


@pytest.mark.parametrize("half_width", [2, 6, 12])
def test_long_and_bent_cells_stay_whole(half_width: int) -> None:
    angle = np.linspace(0, np.pi, 2000)
    middle = np.stack([60 + 40 * np.sin(angle), 64 + 40 * np.cos(angle)], 1).round().astype(int)
    line = np.ones((128, 128), bool)
    line[middle[:, 0], middle[:, 1]] = False
    bent = ndimage.distance_transform_edt(line) <= half_width
    assert instances(bent.astype(np.float32)).max() == 1


def test_the_border_between_two_cells_lies_on_the_ridge() -> None:
    foreground = np.ones((20, 41), np.float32)
    boundary = np.exp(-(((np.arange(41) - 17) / 2) ** 2)).astype(np.float32)[None].repeat(20, 0)
    found = instances(foreground, boundary)
    assert (found[:, :17] == 1).all()
    assert (found[:, 18:] == 2).all()


def test_it_is_the_plain_watershed() -> None:
    """Leaving out the inside of seeds saves time and changes nothing."""
    rng = np.random.default_rng(0)
    foreground, boundary = (m + 0.05 * rng.random(m.shape).astype(np.float32) for m in maps(TOUCHING))
    difference = foreground - boundary
    seeds, _ = ndimage.label((foreground >= 0.5) & (difference > 0.5))
    areas = np.bincount(seeds.ravel())
    seeds[(areas < 5)[seeds]] = 0
    plain = watershed(-difference, seeds, mask=foreground >= 0.5)
    np.testing.assert_array_equal(instances(foreground, boundary), without_small(plain, 20))


def test_small_seeds_and_small_cells_are_dropped() -> None:
    foreground, boundary = np.ones((30, 30), np.float32), np.full((30, 30), 0.6, np.float32)
    boundary[5:15, 5:15] = 0  # a seed of 100 pixels
    boundary[20:22, 20:22] = 0  # noise of 4 pixels
    assert instances(foreground, boundary, min_area=20).max() == 1
    assert instances(foreground, boundary, min_area=16).max() == 2
    speck = np.zeros((30, 30), np.float32)
    speck[3:6, 3:6] = 1
    assert instances(speck, min_area=10).max() == 0
    assert instances(speck, min_area=9).max() == 1


def test_a_cell_that_is_all_border_is_one_cell() -> None:
    thin = np.zeros((20, 40), np.float32)
    thin[8:11, 5:35] = 0.9
    found = instances(thin, (0.8 * thin).astype(np.float32))
    assert found.max() == 1
    assert ((found > 0) == (thin > 0)).all()


def test_threshold_decides_the_extent() -> None:
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None].repeat(10, 0)
    assert (instances(ramp, threshold=0.3) > 0).sum() == 10 * (ramp[0] >= 0.3).sum()


def test_numbers_follow_the_rows_without_gaps() -> None:
    labels = np.array([[0, 9, 9, 0], [4, 0, 0, 7], [4, 0, 0, 7]])
    assert without_small(labels, 1).tolist() == [[0, 1, 1, 0], [2, 0, 0, 3], [2, 0, 0, 3]]
    assert without_small(labels, 3).max() == 0
    assert without_small(np.zeros((0, 3), int), 1).shape == (0, 3)


def test_same_maps_same_cells_and_arguments_stay() -> None:
    foreground, boundary = maps(TOUCHING)
    kept = foreground.copy(), boundary.copy()
    np.testing.assert_array_equal(instances(foreground, boundary), instances(foreground, boundary))
    np.testing.assert_array_equal(foreground, kept[0])
    np.testing.assert_array_equal(boundary, kept[1])


def test_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"one shape \(h, w\), got \(3, 3\) and \(3, 4\)"):
        instances(np.zeros((3, 3), np.float32), np.zeros((3, 4), np.float32))


def test_a_thousand_cells_take_half_a_second() -> None:
    rows, columns = np.mgrid[:1024, :1024] % 32 - 15.5
    cells = (np.arange(1024).reshape(32, 32).repeat(32, 0).repeat(32, 1) + 1) * (
        np.hypot(rows, columns) < 15.9
    )
    foreground, boundary = maps(cells)
    start = time.process_time()
    found = instances(foreground, boundary)
    taken = time.process_time() - start
    assert found.max() == 1024
    assert taken < 1.5  # 0.2 s, with room for a busy machine


def test_table_by_hand() -> None:
    labels = np.array([[0, 5, 5, 5], [0, 0, 0, 2]])
    confidence = np.array([[0.1, 0.5, 0.6, 1.0], [0, 0, 0, 0.9]], np.float32)
    table = instance_table(labels, confidence, 0.5)
    assert table["label"].tolist() == [2, 5]
    assert table["area_px"].tolist() == [1, 3]
    assert table["area_um2"].tolist() == [0.25, 0.75]
    assert table["centroid_y"].tolist() == [1, 0]
    assert table["centroid_x"].tolist() == [3, 2]
    assert table["confidence"].tolist() == pytest.approx([0.9, 0.7])
    assert "area_um2" not in instance_table(labels, confidence)
    assert all(len(column) == 0 for column in instance_table(0 * labels, confidence, 0.5).values())


def test_table_says_what_is_wrong() -> None:
    with pytest.raises(InputError, match="one shape"):
        instance_table(np.zeros((2, 2), int), np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"above 0, got 0\.0"):
        instance_table(np.zeros((2, 2), int), np.zeros((2, 2)), 0.0)
    with pytest.raises(InputError, match="at least 0, got -3"):
        instance_table(np.full((2, 2), -3), np.zeros((2, 2)))
