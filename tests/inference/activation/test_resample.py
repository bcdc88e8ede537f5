from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.exceptions import InputError
from napari_construct.inference.activation.resample import model_shape, resample_image, sample_maps


def test_shape_is_kept_where_resolutions_are_unknown_or_close() -> None:
    assert model_shape((100, 50), None, 0.25, "x") == (100, 50)
    assert model_shape((100, 50), 0.25, None, "x") == (100, 50)
    assert model_shape((100, 50), 0.2525, 0.25, "x") == (100, 50)


def test_shape_follows_the_factor() -> None:
    assert model_shape((100, 50), 0.5, 0.25, "x") == (200, 100)
    assert model_shape((100, 51), 0.25, 0.5, "x") == (50, 26)
    assert model_shape((16, 4000), 0.25, 2.0, "x") == (2, 500)


def test_unknown_resolution_is_that_of_the_training_patches() -> None:
    assert model_shape((100, 50), None, 0.5, "x", 0.5) == (50, 25)
    assert model_shape((100, 50), None, None, "x", 0.86) == (86, 43)
    assert model_shape((100, 50), 0.5, 0.5, "x", 0.86) == (100, 50), "what is known goes first"


@pytest.mark.parametrize("mpp", [2.1, 0.03])
def test_absurd_factor_is_refused_with_a_remedy(mpp: float) -> None:
    with pytest.raises(InputError, match=r"slide\.png.*within 8 times.*correct the resolution"):
        model_shape((100, 100), mpp, 0.25, "slide.png")


def test_enlarged_image_is_bounded() -> None:
    with pytest.raises(InputError, match="cut out a region"):
        model_shape((10000, 10000), 2.0, 0.25, "x")


def test_shrinking_is_antialiased() -> None:
    checker = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checker[..., None], 3, axis=2)
    small = resample_image(image, (16, 16))
    assert small.shape == (16, 16, 3)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 128).max() <= 2  # a nearest neighbour would give 0 or 255
    assert resample_image(image, (64, 64)) is image


@pytest.mark.parametrize(("cells", "stride"), [((7, 9), 32), ((5, 4), 8), ((1, 3), 4)])
def test_sampling_equals_interpolation_of_whole_cells(cells: tuple[int, int], stride: int) -> None:
    maps = torch.rand(3, *cells, generator=torch.Generator().manual_seed(1))
    shape = (cells[0] * stride, cells[1] * stride)
    expected = F.interpolate(maps[None], shape, mode="bilinear", align_corners=False)[0].numpy()
    np.testing.assert_allclose(
        sample_maps(maps.numpy(), shape, (float(cells[0]), float(cells[1]))), expected, atol=1e-6
    )


def test_sampling_of_cut_cells_is_a_crop() -> None:
    maps = np.random.default_rng(0).random((2, 80, 5), dtype=np.float32)
    whole = sample_maps(maps, (640, 40), (80.0, 5.0))
    np.testing.assert_allclose(
        sample_maps(maps, (633, 35), (633 / 8, 35 / 8)), whole[:, :633, :35], atol=1e-5
    )
