"""The bundled encoder and the teacher without weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.contrast import LocalContrast
from napari_construct.encoders.networks.mini import MiniEncoder, load_mini, make_untrained
from napari_construct.encoders.networks.structure import StructureTeacher
from napari_construct.exceptions import EncoderError


@pytest.fixture(scope="module")
def tissue(assets: Path) -> torch.Tensor:
    path = min((assets / "camelyon" / "train").rglob("*.png"))
    pixels = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("encoder_id", ["mini", "small", "medium", "structure"])
def test_pyramid_keeps_its_promise(encoder_id: str) -> None:
    encoder = create_encoder(encoder_id)
    levels = encoder(torch.rand(2, 3, 64, 96))
    for level, channels, stride in zip(levels, encoder.spec.channels, encoder.spec.strides, strict=True):
        assert level.shape == (2, channels, 64 // stride, 96 // stride)
        assert bool(level.isfinite().all())


def test_bundled_weights_are_small_and_free() -> None:
    encoder = load_mini()
    assert sum(p.numel() for p in encoder.parameters()) < 1_100_000
    assert encoder.spec.redistributable
    assert encoder_hash(encoder) == encoder_hash(load_mini())


def test_the_encoder_to_train_sees_density_and_is_the_same_every_time(tissue: torch.Tensor) -> None:
    encoder = make_untrained("small")
    assert (
        encoder_hash(encoder)
        == encoder_hash(make_untrained("small"))
        != encoder_hash(make_untrained("small", seed=1))
    )
    seen = encoder.normalise(tissue)
    torch.testing.assert_close(seen[:, :3], LocalContrast()(tissue))
    dim = (
        encoder.normalise(tissue.clamp(0.05, 1) * 0.7)[:, 3:]
        - encoder.normalise(tissue.clamp(0.05, 1))[:, 3:]
    )
    assert dim.mean() == pytest.approx(-2 * np.log(0.7), rel=0.1)  # a filter adds to the density


def test_local_contrast_ignores_exposure(tissue: torch.Tensor) -> None:
    contrast = LocalContrast()
    bright, dim = tissue.clamp(0.05, 1), tissue.clamp(0.05, 1) * 0.7
    # a factor on transmission is a constant in optical density, but for the offset that bounds it
    difference = (contrast(bright) - contrast(dim)).abs().mean()
    assert difference < 0.08 * contrast(bright).abs().mean()


def test_local_contrast_is_local(tissue: torch.Tensor) -> None:
    contrast = LocalContrast(radius=4)
    changed = tissue.clone()
    changed[..., :64] = 0.5
    reach = 4 * 4 + 1  # two passes for the mean, two for the spread
    before, after = (contrast(image)[..., 64 + reach :] for image in (tissue, changed))
    torch.testing.assert_close(after, before, rtol=0, atol=2e-5)  # running sums round


def test_box_mean_is_the_mean_of_the_box(tissue: torch.Tensor) -> None:
    ours, x = LocalContrast(radius=3)._mean(tissue), tissue
    for _ in range(2):
        padded = torch.nn.functional.pad(x, (3, 3, 3, 3), mode="replicate")
        x = torch.nn.functional.avg_pool2d(padded, 7, 1)
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-5)


def test_constant_image_has_no_contrast() -> None:
    assert LocalContrast()(torch.full((1, 3, 64, 64), 0.8)).abs().max() < 1e-3


def test_structure_relates_equal_places_whatever_the_stain() -> None:
    half = torch.full((1, 3, 64, 64), 0.9)
    half[..., 32:] = torch.tensor([0.5, 0.3, 0.6]).view(1, 3, 1, 1)
    level = StructureTeacher()(half)[1][0].flatten(1)
    level = torch.nn.functional.normalize(level, dim=0)
    affinity = level.T @ level
    grid = affinity.view(8, 8, 8, 8)
    assert grid[4, 1, 4, 2] > 0.9
    assert grid[4, 1, 4, 6] < 0.0


def test_absent_and_foreign_weights(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such file"):
        load_mini(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    state = {f"x.{k}": v.contiguous() for k, v in MiniEncoder().state_dict().items()}
    save_file(state, path)
    with pytest.raises(EncoderError, match=r"other\.safetensors: expected the weights of the mini encoder"):
        load_mini(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(EncoderError, match=r"other\.safetensors"):
        load_mini(path)
