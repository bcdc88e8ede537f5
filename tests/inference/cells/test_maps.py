"""A student over an image of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.events import Event, Notice, SizeAssumed, run
from napari_construct.exceptions import InputError
from napari_construct.inference.cells.maps import cell_map_steps, resized_maps
from napari_construct.inference.cells.settings import CellSettings


@pytest.fixture
def seen(channels) -> np.ndarray:
    return percentile_normalised(channels.pixels[0])[None]


def test_one_tile_is_the_networks_output(predictor, seen) -> None:
    cut = np.ascontiguousarray(seen[:, :128, :192])
    maps = run(cell_map_steps(cut, predictor, CellSettings(), mpp=0.5))
    with torch.inference_mode():
        output = predictor.network(torch.from_numpy(cut)[None])
    np.testing.assert_allclose(maps.foreground, output.foreground[0, 0].sigmoid().numpy(), atol=1e-6)
    np.testing.assert_allclose(maps.boundary, output.boundary[0, 0].sigmoid().numpy(), atol=1e-6)


def test_maps_have_the_images_size_and_tiles_join_without_a_step(predictor, seen) -> None:
    whole = run(cell_map_steps(seen, predictor, CellSettings(), mpp=0.5))
    events: list[Event] = []
    settings = CellSettings(tile=128, overlap=64)
    tiled = run(cell_map_steps(seen, predictor, settings, mpp=0.5), events.append)
    assert whole.foreground.shape == tiled.boundary.shape == (150, 200)
    assert events[-1].total == tiled.record["tiles"] == 6
    inner = np.s_[30:100, 30:150]
    # a fade, not an edge: neighbours of tiles' borders differ no more than other neighbours do
    across = np.abs(np.diff(tiled.foreground, axis=1)).max(0)
    assert across[60:70].max() <= across.max()
    assert float(np.abs(whole.foreground - tiled.foreground)[inner].mean()) < 0.05


def test_another_resolution_is_resampled_and_said(predictor, seen) -> None:
    events: list[Event] = []
    maps = run(cell_map_steps(seen, predictor, CellSettings(), mpp=1.0, name="x"), events.append)
    assert maps.record["shape_at_model_resolution"] == [300, 400]
    assert maps.foreground.shape == (150, 200)
    (said,) = [event.message for event in events if isinstance(event, Notice)]
    assert "1 um per pixel, the model was trained at 0.5; the image is enlarged" in said
    unknown: list[Event] = []
    run(cell_map_steps(seen, predictor, CellSettings(), name="x"), unknown.append)
    (assumed,) = [event.message for event in unknown if isinstance(event, Notice)]
    assert isinstance(assumed, SizeAssumed)
    with pytest.raises(InputError, match="within 8 times"):
        run(cell_map_steps(seen, predictor, CellSettings(mpp=10.0)))


def test_maps_of_another_size_keep_their_mean() -> None:
    maps = np.random.default_rng(0).random((2, 64, 64)).astype(np.float32)
    half = resized_maps(maps, (32, 32))
    assert half.shape == (2, 32, 32)
    np.testing.assert_allclose(half.mean((1, 2)), maps.mean((1, 2)), atol=5e-3)
    assert resized_maps(maps, (64, 64)) is maps
