from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import ConfigurationError, EncoderError
from napari_construct.inference.activation.tiling import Stitcher, cam_stride, pad_image, plan_tiles, spread


@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.sampled_from([64, 96, 200, 512]),
    st.sampled_from([0, 16, 32, 40]),
    st.sampled_from([8, 16, 32]),
)
def test_tiles_cover_every_pixel_and_share_their_overlap(
    shape: tuple[int, int], tile: int, overlap: int, multiple: int
) -> None:
    if tile // multiple * multiple <= -(-overlap // multiple) * multiple:
        return
    plan = plan_tiles(shape, tile, overlap, multiple)
    covered = np.zeros(plan.padded, dtype=int)
    for t in plan:
        assert t.y % multiple == t.x % multiple == t.height % multiple == t.width % multiple == 0
        assert max(t.height, t.width) <= max(tile, plan.overlap + multiple)
        covered[t.y : t.y + t.height, t.x : t.x + t.width] += 1
    assert covered.min() >= 1
    assert all(p - s < multiple for p, s in zip(plan.padded, shape, strict=True))
    for axis in ("y", "x"):
        starts = sorted({getattr(t, axis) for t in plan})
        length = plan.tiles[0].height if axis == "y" else plan.tiles[0].width
        assert all(length - (b - a) >= overlap for a, b in pairwise(starts))


def test_fewest_tiles() -> None:
    assert len(plan_tiles((512, 512), 512, 64, 32)) == 1
    assert len(plan_tiles((513, 512), 512, 64, 32)) == 2
    assert spread(10, 4, 2) == [0, 2, 4, 6]
    assert spread(3, 4, 2) == [0]


@pytest.mark.parametrize(("tile", "overlap"), [(64, 64), (64, 100), (20, 0), (64, 40)])
def test_tiles_must_outgrow_their_overlap(tile: int, overlap: int) -> None:
    with pytest.raises(ConfigurationError, match="larger tiles or less overlap"):
        plan_tiles((500, 500), tile, overlap, 32)


def test_what_the_settings_allow_is_never_refused_later() -> None:
    for multiple in (8, 28, 32, 64):
        for tile in range(64, 200, 4):
            for overlap in range(0, tile // 2 + 1, 4):
                assert plan_tiles((500, 500), tile, overlap, multiple).tiles[0].height > overlap


def test_padding_reflects() -> None:
    image = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)
    padded = pad_image(image, (8, 8))
    assert padded.shape == (8, 8, 3)
    assert (padded[:3, :4] == image).all()
    assert (padded[3, :4] == image[1]).all()
    assert (padded[:3, 4] == image[:, 2]).all()
    assert pad_image(image, (3, 4)) is image


def _stitch(image: torch.Tensor, network: torch.nn.Module, tile: int, overlap: int) -> np.ndarray:
    plan = plan_tiles(tuple(image.shape[-2:]), tile, overlap, 32)
    stitcher = None
    for t in plan:
        with torch.inference_mode():
            maps = network(image[None, :, t.y : t.y + t.height, t.x : t.x + t.width])[0].numpy()
        stride = cam_stride(t, maps.shape[-2:], 32)
        stitcher = stitcher or Stitcher(plan, maps.shape[0], stride)
        stitcher.add(t, maps)
    assert stitcher is not None
    return stitcher.mean()


@pytest.mark.parametrize("overlap", [0, 32, 64])
@pytest.mark.parametrize("stride", [4, 8, 32])
def test_position_independent_model_gives_the_same_tiled_and_whole(overlap: int, stride: int) -> None:
    class Pointwise(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            cells = F.avg_pool2d(images, stride)
            return torch.cat([cells.sin(), cells.square(), 50 * cells[:, :1]], 1)

    image = torch.rand(3, 320, 416, generator=torch.Generator().manual_seed(0))
    whole = _stitch(image, Pointwise(), 512, 0)
    tiled = _stitch(image, Pointwise(), 128, overlap)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_no_seam_from_a_convolutional_network() -> None:
    """Where tiles meet, neighbouring cells differ no more than elsewhere; without blending they do."""
    level = 2  # stride 16, a receptive field of 60 pixels, zeros around every tile

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = TinyEncoder()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.encoder(images)[level]

    yy, xx = torch.meshgrid(torch.linspace(0, 1, 480), torch.linspace(0, 1, 480), indexing="ij")
    image = torch.stack([yy, xx, (yy + xx) / 2])  # smooth, so that every jump is a seam
    network = Network()
    whole = _stitch(image, network, 480, 0)

    def seam(tile: int, overlap: int) -> float:
        plan = plan_tiles((480, 480), tile, overlap, 32)
        jumps = np.abs(np.diff(_stitch(image, network, tile, overlap), axis=1)).max(axis=(0, 2))
        inner = np.abs(np.diff(whole, axis=1))[:, 3:-3].max()
        edges = {t.y // 16 for t in plan if t.y} | {(t.y + t.height) // 16 for t in plan}
        return float(max(jumps[e - 1] for e in edges if 3 < e < 28) / inner)

    assert seam(160, 0) > 3
    assert seam(160, 64) < 1.5


def test_maps_off_the_grid_are_refused() -> None:
    (tile,) = plan_tiles((64, 64), 64, 0, 32)
    assert cam_stride(tile, (8, 8), 32) == 8
    for cells in ((9, 9), (0, 0), (1, 1), (8, 4)):
        with pytest.raises(EncoderError, match="stride divides 32"):
            cam_stride(tile, cells, 32)
