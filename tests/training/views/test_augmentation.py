"""Training views: what may change changes, what must not does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.data.images import read_image
from napari_construct.data.listing import list_images
from napari_construct.training.config.config import AugmentationConfig
from napari_construct.training.views.augmentation import augment, centre_view, jitter_stain, stain_basis


@pytest.fixture
def patches(camelyon: Path) -> torch.Tensor:
    """(4, 128, 128, 3) uint8 of real tissue."""
    images = [read_image(p).pixels for p in list_images(camelyon / "train", recursive=True)[:4]]
    return torch.from_numpy(np.stack(images))


def views(patches: torch.Tensor, config: AugmentationConfig, seed: int = 0, size: int = 128) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return augment(patches, config, window=float(patches.shape[1]), size=size, generator=generator)


def test_without_augmentation_the_patch_is_unchanged(patches: torch.Tensor) -> None:
    expected = patches.permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(views(patches, AugmentationConfig.none()), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(centre_view(patches, window=128.0, size=128), expected, atol=0, rtol=0)


def test_equal_seeds_give_equal_views(patches: torch.Tensor) -> None:
    first, second, other = (views(patches, AugmentationConfig(), seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert (first - other).abs().mean() > 0.01


@pytest.mark.parametrize("seed", range(6))
def test_views_stay_in_range(patches: torch.Tensor, seed: int) -> None:
    strong = AugmentationConfig(brightness=1, contrast=1, stain_gain=1, stain_offset=1, crop_area=(0.1, 1.0))
    out = views(patches, strong, seed, size=64)
    assert out.shape == (4, 3, 64, 64)
    assert bool(torch.isfinite(out).all())
    assert 0 <= float(out.min()) <= float(out.max()) <= 1


def test_flips_and_turns_reach_all_eight_positions(patches: torch.Tensor) -> None:
    config = AugmentationConfig.none().model_copy(update={"flips": True, "rotations": True})
    image = patches[:1].permute(0, 3, 1, 2).float() / 255
    turned = [torch.rot90(image, k, (2, 3)) for k in range(4)]
    positions = turned + [t.flip(3) for t in turned]
    seen = set()
    for seed in range(80):
        view = views(patches[:1], config, seed)
        distances = torch.stack([(view - p).abs().mean() for p in positions])
        assert float(distances.min()) < 1e-4
        seen.add(int(distances.argmin()))
    assert seen == set(range(8))


def test_crops_lie_inside_and_keep_colours(patches: torch.Tensor) -> None:
    ramp = torch.arange(128, dtype=torch.uint8).repeat(128, 1)
    ramps = torch.stack([ramp, ramp.T, torch.zeros_like(ramp)], dim=-1)[None].repeat(64, 1, 1, 1)
    config = AugmentationConfig.none().model_copy(update={"crop_area": (0.25, 0.25)})
    out = views(ramps, config, size=64) * 255
    span_x = out[:, 0].amax((1, 2)) - out[:, 0].amin((1, 2))
    torch.testing.assert_close(span_x, torch.full_like(span_x, 63), atol=1.01, rtol=0)
    assert float(out[:, 0].min()) < 5
    assert float(out[:, 0].max()) > 122


def test_stain_basis_is_of_unit_vectors_with_an_orthogonal_residual() -> None:
    basis = stain_basis()
    torch.testing.assert_close(basis.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(basis[2] @ basis[:2].T, torch.zeros(2), atol=1e-6, rtol=0)


def test_stain_jitter_of_nothing_is_the_identity(patches: torch.Tensor) -> None:
    images = (patches.permute(0, 3, 1, 2).float() / 255).clamp_min(1 / 255)
    same = jitter_stain(images, torch.ones(4, 3), torch.zeros(4, 3))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_stain_jitter_scales_one_stain_only() -> None:
    """Closed form: tissue with amounts (h, e) and hematoxylin gain 2 shows amounts (2h, e)."""
    basis = stain_basis()
    amounts = torch.tensor([0.3, 0.2, 0.0])
    image = (-(amounts @ basis)).exp().view(1, 3, 1, 1)
    out = jitter_stain(image, torch.tensor([[2.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.1, 0.0]]))
    expected = (-(torch.tensor([0.6, 0.3, 0.0]) @ basis)).exp().view(1, 3, 1, 1)
    torch.testing.assert_close(out, expected)


def test_gain_leaves_glass_white(patches: torch.Tensor) -> None:
    glass = torch.ones(2, 3, 8, 8)
    out = jitter_stain(glass, torch.tensor([[1.5, 0.5, 1.2], [0.5, 2.0, 1.0]]), torch.zeros(2, 3))
    torch.testing.assert_close(out, glass)


def test_each_image_gets_its_own_stain(patches: torch.Tensor) -> None:
    config = AugmentationConfig.none().model_copy(update={"stain_gain": 0.5})
    same = patches[:1].repeat(4, 1, 1, 1)
    means = views(same, config).mean((2, 3))
    assert float(torch.cdist(means, means)[~torch.eye(4, dtype=torch.bool)].min()) > 1e-3
