from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.timm_vit import TimmViT
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import EncoderError


def vit(patch: int = 16, size: int = 64, **changes: object) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=size, patch_size=patch, embed_dim=32, depth=4, num_heads=2, num_classes=0, **changes
    )


@pytest.mark.parametrize(
    ("patch", "strides"),
    [(16, (4, 8, 16, 32)), (14, (4, 8, 16, 32)), (8, (2, 4, 8, 16)), (32, (8, 16, 32, 64))],
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_pyramid_of_any_patch_and_size(patch: int, strides: tuple[int, ...], dynamic: bool) -> None:
    encoder = TimmViT(vit(patch, 4 * patch, dynamic_img_size=dynamic), "timm:x")
    assert isinstance(encoder, Encoder)
    assert encoder.spec.strides == strides
    for h, w in ((2, 2), (4, 6)):
        levels = encoder(torch.rand(1, 3, h * encoder.spec.multiple, w * encoder.spec.multiple))
        assert [tuple(level.shape[-2:]) for level in levels] == [
            (h * encoder.spec.multiple // s, w * encoder.spec.multiple // s) for s in strides
        ]
        assert all(level.shape[1] == 32 for level in levels)


def test_at_its_own_size_it_is_timms_model() -> None:
    trunk = vit().eval()
    encoder = TimmViT(trunk, "timm:x", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        last = trunk.get_intermediate_layers(images, n=[2], reshape=True, norm=False)[0]
        torch.testing.assert_close(encoder(images)[2], last)


def test_fixed_and_dynamic_models_agree_at_another_size() -> None:
    fixed, dynamic = vit(), vit(dynamic_img_size=True)
    dynamic.load_state_dict(fixed.state_dict())
    images = torch.rand(1, 3, 96, 128)
    torch.testing.assert_close(TimmViT(fixed, "timm:x")(images), TimmViT(dynamic, "timm:x")(images))


def test_class_and_register_tokens_are_left_out() -> None:
    encoder = TimmViT(vit(reg_tokens=4, no_embed_class=True), "timm:x")
    assert encoder(torch.rand(1, 3, 96, 96))[2].shape == (1, 32, 6, 6)


def test_loads_weights_of_a_user(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224"
    trunk = timm.create_model(name, pretrained=False, num_classes=0)
    save_file({**trunk.state_dict(), "head.bias": torch.ones(3)}, tmp_path / "w.safetensors")
    encoder = create_encoder(f"timm:{name}", weights=tmp_path / "w.safetensors")
    torch.testing.assert_close(dict(encoder.vit.state_dict()), dict(trunk.state_dict()))
    assert not any(p.requires_grad for p in encoder.parameters())


def test_what_is_no_vit_is_refused() -> None:
    with pytest.raises(EncoderError, match="timm:resnet10t: expected a vision transformer"):
        TimmViT(timm.create_model("resnet10t", pretrained=False), "timm:resnet10t")


def test_unknown_names_and_absent_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderError, match=r"timm:vit_smal_patch14: expected a model that timm knows, .* did you"
    ):
        create_encoder("timm:vit_smal_patch14")
    with pytest.raises(EncoderError, match="expected a model that timm knows and can load"):
        create_encoder(f"timm:local-dir:{tmp_path}")
    with pytest.raises(EncoderError, match="models download dinov2-s"):
        create_encoder("dinov2-s")
