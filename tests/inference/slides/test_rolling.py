from __future__ import annotations

import numpy as np
import pytest

from napari_construct.inference.activation.tiling import Stitcher, plan_tiles
from napari_construct.inference.slides.rolling import RollingStitcher, tile_rows


@pytest.mark.parametrize("shape", [(64, 300), (992, 70), (1000, 513), (2050, 129), (545, 64)])
@pytest.mark.parametrize("stride", [4, 32])
def test_rows_of_tiles_blend_as_all_of_them_do(shape: tuple[int, int], stride: int) -> None:
    plan, rng = plan_tiles(shape, 512, 64, 32), np.random.default_rng(0)
    whole, rolling = Stitcher(plan, 2, stride), RollingStitcher(plan, 2, stride)
    rows, parts = tile_rows(plan), []
    for number, row in enumerate(rows):
        for tile in row:
            maps = rng.normal(size=(2, tile.height // stride, tile.width // stride)).astype(np.float32)
            whole.add(tile, maps)
            rolling.add(tile, maps)
        end = rows[number + 1][0].y if number + 1 < len(rows) else plan.padded[0]
        parts.append(rolling.finished(end // stride))
    found, expected = np.concatenate(parts, axis=1), whole.mean()
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, rtol=1e-6, atol=1e-6)


def test_what_no_tile_covers_is_zero() -> None:
    plan = plan_tiles((600, 600), 512, 64, 32)
    rolling = RollingStitcher(plan, 1, 4)
    rolling.add(plan.tiles[0], np.ones((1, 128, 128), np.float32))
    found = rolling.finished(plan.tiles[-1].y // 4)
    assert found.shape == (1, plan.tiles[-1].y // 4, 150)
    assert found[0, :, :128].min() == pytest.approx(1)
    assert found[0, :, 128:].max() == 0
