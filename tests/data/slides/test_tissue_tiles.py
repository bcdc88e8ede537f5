"""Tiles and areas of a tissue mask against what one counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.data.slides.tissue_tiles import TissueTile, tissue_coverage, tissue_tiles


def test_shares_by_hand():
    mask = np.zeros((4, 6), dtype=np.bool_)
    mask[1, 1] = mask[1, 2] = True  # a pixel of the mask is 10 of the slide
    tiles = tissue_tiles(mask, (40, 60), tile=25)
    # columns 10 to 30 of rows 10 to 20: the first tile ends at 25
    assert tiles == [
        TissueTile(0, 0, 25, 25, pytest.approx(150 / 625)),
        TissueTile(0, 25, 25, 25, pytest.approx(50 / 625)),
    ]
    assert tissue_tiles(mask, (40, 60), tile=25, min_share=0.1) == tiles[:1]


def test_last_tiles_end_with_the_slide():
    mask = np.ones((3, 3), dtype=np.bool_)
    tiles = tissue_tiles(mask, (100, 70), tile=64)
    assert [tile[:4] for tile in tiles] == [(0, 0, 64, 64), (0, 64, 64, 6), (64, 0, 36, 64), (64, 64, 36, 6)]
    assert [tile.share for tile in tiles] == pytest.approx([1] * 4)


@pytest.mark.parametrize("shape", [(977, 1203), (40, 31), (100_003, 80_021)])
def test_areas_of_tiles_sum_up(shape):
    mask = np.random.default_rng(0).random((83, 97)) < 0.4
    tiles = tissue_tiles(mask, shape, tile=max(shape[0] // 7, 1), min_share=0.0)
    area = sum(tile.share * tile.height * tile.width for tile in tiles)
    assert area == pytest.approx(mask.mean() * shape[0] * shape[1], rel=1e-6)


def test_no_tile_is_lost_at_share_zero():
    mask = np.zeros((100, 100), dtype=np.bool_)
    mask[57, 31] = True
    assert [tile[:2] for tile in tissue_tiles(mask, (6400, 6400), tile=512, min_share=0.0)] == [(3584, 1536)]
    assert not tissue_tiles(np.zeros((9, 9), dtype=np.bool_), (6400, 6400), tile=512, min_share=0.0)


def test_coverage():
    mask = np.zeros((10, 10), dtype=np.bool_)
    mask[:3] = True
    coverage = tissue_coverage(mask, (4000, 2000), mpp=(0.5, 0.25))
    assert coverage.slide_mm2 == pytest.approx(1.0)
    assert coverage.tissue_mm2 == pytest.approx(0.3)
    assert coverage.share == pytest.approx(0.3)
    assert tissue_coverage(mask, (4000, 2000), mpp=0.5).slide_mm2 == pytest.approx(2.0)


def test_impossible():
    mask = np.ones((4, 4), dtype=np.bool_)
    with pytest.raises(ValueError, match="min_share"):
        tissue_tiles(mask, (40, 40), tile=8, min_share=1.5)
    with pytest.raises(ValueError, match="larger tiles"):
        tissue_tiles(mask, (400_000, 400_000), tile=1)
    with pytest.raises(ValueError, match="at least a pixel"):
        tissue_tiles(mask, (40, 40), tile=0)
    with pytest.raises(ValueError, match="bool"):
        tissue_tiles(mask[0], (40, 40), tile=8)
    with pytest.raises(ValueError, match="mpp"):
        tissue_coverage(mask, (40, 40), mpp=0.0)
