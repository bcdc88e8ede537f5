"""Every kind of encoder gives the CPU's levels on a graphics card."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from tests.graphics_card import GraphicsCard
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.encoders.networks.mini import make_untrained
from napari_construct.encoders.networks.mix_transformer import MixTransformer
from napari_construct.encoders.networks.open_clip import OpenClipEncoder
from napari_construct.encoders.networks.scratch import ScratchEncoder
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.networks.timm_vit import TimmViT

pytestmark = pytest.mark.cuda


def conch() -> ConchEncoder:
    """CONCH's network with weights drawn at random."""
    draw = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {
        name: torch.randn(value.shape, generator=draw) * 0.02
        for name, value in ConchEncoder(4).state_dict().items()
    }
    return ConchEncoder.from_state_dict(state)


def vit(patch: int) -> TimmViT:
    with seeded(0):
        trunk = VisionTransformer(
            img_size=4 * patch, patch_size=patch, embed_dim=32, depth=4, num_heads=2, num_classes=0
        )
    return TimmViT(trunk, f"timm:vit{patch}")


def clip() -> OpenClipEncoder:
    vision = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    with seeded(0):
        model = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text).eval()
    return OpenClipEncoder(model, "open_clip:small", open_clip.get_tokenizer("ViT-B-16"))


MADE: dict[str, Callable[[], nn.Module]] = {
    "mini": lambda: create_encoder("mini"),  # type: ignore[dict-item,return-value]
    "structure": lambda: create_encoder("structure"),  # type: ignore[dict-item,return-value]
    "small": lambda: make_untrained("small"),
    "medium": lambda: make_untrained("medium"),
    "mit_b1": lambda: MixTransformer("mit_b1"),
    "resnet18": lambda: ScratchEncoder("resnet18"),
    "vit16": lambda: vit(16),
    "vit14": lambda: vit(14),
    "open_clip": clip,
    "conch": conch,
}


@pytest.fixture(autouse=True)
def full_precision() -> Iterator[None]:
    """Convolutions without the rounding to 10 bits that torch allows itself on newer cards."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("name", MADE)
def test_levels_are_the_cpus(card: GraphicsCard, name: str) -> None:
    encoder = MADE[name]().eval()
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        here = encoder(images)
        known = encoder_hash(encoder)  # type: ignore[arg-type]
        there = encoder.to(card.device)(images.to(card.device))
    assert encoder_hash(encoder) == known  # type: ignore[arg-type]
    for level, wanted in zip(there, here, strict=True):
        assert level.device.type == "cuda"
        error = (level.cpu() - wanted).norm() / wanted.norm()
        assert error < 1e-3


@pytest.mark.parametrize("made", [clip, conch], ids=["open_clip", "conch"])
def test_texts_and_images_are_embedded_alike(card: GraphicsCard, made: Callable[[], nn.Module]) -> None:
    encoder = made()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        here = encoder.embed_images(images)  # type: ignore[operator]
        there = encoder.to(card.device).embed_images(images.to(card.device))  # type: ignore[operator]
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-4)
    if made is clip:  # CONCH's tokenizer comes with its weights
        texts = ["tumour", "stroma"]
        with torch.no_grad():
            words = encoder.embed_texts(texts).cpu()  # type: ignore[operator]
            torch.testing.assert_close(
                words,
                encoder.cpu().embed_texts(texts),
                rtol=1e-3,
                atol=1e-4,  # type: ignore[operator]
            )
