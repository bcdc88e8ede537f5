from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.clip_names import is_transformers_clip
from napari_construct.encoders.networks.open_clip import OpenClipEncoder
from napari_construct.encoders.protocol import TextEncoder
from napari_construct.exceptions import EncoderError

VISION = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TIMM = {
    "timm_model_name": "vit_tiny_patch16_224",
    "timm_pool": "token",
    "timm_proj": "linear",
    "image_size": 224,
}


def clip(**vision: object) -> CLIP:
    torch.manual_seed(0)
    return CLIP(embed_dim=16, vision_cfg=vision or VISION, text_cfg=TEXT).eval()


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return open_clip.get_tokenizer("ViT-B-16")


@pytest.mark.parametrize("vision", [VISION, TIMM], ids=["own", "timm"])
def test_pyramid_and_embeddings(vision: dict[str, object], tokenizer: object) -> None:
    encoder = OpenClipEncoder(clip(**vision), "open_clip:x", tokenizer)
    assert isinstance(encoder, TextEncoder)
    for h, w in ((64, 64), (96, 160)):
        levels = encoder(torch.rand(1, 3, h, w))
        assert [tuple(level.shape[-2:]) for level in levels] == [(h // s, w // s) for s in (4, 8, 16, 32)]
        assert all(level.shape[1] == encoder.spec.channels[0] for level in levels)
        assert encoder.embed_images(torch.rand(2, 3, h, w)).shape == (2, 16)
    texts = encoder.embed_texts(["tumour", "stroma"])
    assert texts.shape == (2, encoder.spec.embedding_width)
    torch.testing.assert_close(texts.norm(dim=-1), torch.ones(2))


def test_at_its_own_size_the_positions_are_its_own(tokenizer: object) -> None:
    model = clip()
    encoder = OpenClipEncoder(model, "open_clip:x", tokenizer)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        own = model.visual.forward_intermediates(
            encoder.normalise(images), indices=[2], intermediates_only=True
        )
        torch.testing.assert_close(encoder(images)[2], own["image_intermediates"][0])
        before = model.visual.positional_embedding.clone()
        encoder(torch.rand(1, 3, 96, 96))
    torch.testing.assert_close(model.visual.positional_embedding, before)


def test_loads_a_local_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
    preprocessing = {"mean": [0.5, 0.6, 0.7], "std": [0.1, 0.2, 0.3]}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing})
    )
    model = clip()
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "open_clip_model.safetensors"
    )
    encoder = create_encoder(f"open_clip:local-dir:{tmp_path}")
    assert encoder.spec.mean == (0.5, 0.6, 0.7)
    assert encoder.spec.std == (0.1, 0.2, 0.3)
    torch.testing.assert_close(encoder.clip.visual.proj, model.visual.proj, check_stride=False)
    assert not any(p.requires_grad for p in encoder.parameters())
    with caplog.at_level("WARNING"):
        by_hand = create_encoder(
            "open_clip:hf-hub:any/name", weights=tmp_path / "open_clip_model.safetensors"
        )  # its configuration lies beside it
    assert not caplog.records
    torch.testing.assert_close(by_hand.clip.visual.proj, model.visual.proj, check_stride=False)
    assert by_hand.spec.id == "open_clip:hf-hub:any/name"


def transformers_names(model: CLIP) -> dict[str, torch.Tensor]:
    """The state of a CLIP model as transformers would store it."""
    words = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "logit_scale": "logit_scale",
    }
    norms = {"visual.ln_pre": "vision_model.pre_layrnorm", "visual.ln_post": "vision_model.post_layernorm"}
    norms["ln_final"] = "text_model.final_layer_norm"
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj"}
    parts |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    renamed = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
    for name, value in model.state_dict().items():
        stem, _, kind = name.rpartition(".")
        if name in ("visual.proj", "text_projection"):
            renamed[{"visual.proj": "visual_projection.weight"}.get(name, "text_projection.weight")] = value.T
        elif name in words or stem in norms:
            renamed[words.get(name) or f"{norms[stem]}.{kind}"] = value
        else:
            tower = "vision_model" if name.startswith("visual") else "text_model"
            index, _, rest = name.partition("resblocks.")[2].partition(".")
            layer = f"{tower}.encoder.layers.{index}"
            if "in_proj" in rest:
                for letter, third in zip("qkv", value.chunk(3), strict=True):
                    renamed[f"{layer}.self_attn.{letter}_proj.{kind.removeprefix('in_proj_')}"] = third
            else:
                renamed[f"{layer}.{parts[rest.rpartition('.')[0]]}.{kind}"] = value
    return renamed


def test_the_layout_of_transformers_loads_and_gives_the_same(tmp_path: Path) -> None:
    """PLIP is published so; its network is known to open_clip, but not the names of its tensors."""
    config = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    model = clip()
    state = transformers_names(model)
    assert is_transformers_clip(state)
    torch.save(state, tmp_path / "pytorch_model.bin")
    encoder = create_encoder("open_clip:hf-hub:a/b", weights=tmp_path / "pytorch_model.bin")
    torch.testing.assert_close(dict(encoder.clip.state_dict()), dict(model.state_dict()))
    del state["vision_model.encoder.layers.2.self_attn.v_proj.weight"]
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(EncoderError, match=r"layers\.2\.self_attn\.v_proj\.weight in a CLIP model"):
        create_encoder("open_clip:hf-hub:a/b", weights=tmp_path / "pytorch_model.bin")


def test_what_cannot_be_used_says_why(tmp_path: Path, tokenizer: object) -> None:
    with pytest.raises(EncoderError, match="open_clip:ViT-B-16: expected weights"):
        create_encoder("open_clip:ViT-B-16")
    with pytest.raises(EncoderError, match="expected a model that open_clip knows and can load"):
        create_encoder(f"open_clip:local-dir:{tmp_path / 'absent'}")
    with pytest.raises(EncoderError, match="expected patches of 8, 16 or 32 pixels, got 14"):
        OpenClipEncoder(clip(**{**VISION, "patch_size": 14, "image_size": 56}), "open_clip:x", tokenizer)
    resnet = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64}
    with pytest.raises(EncoderError, match="expected a model with a vision transformer"):
        OpenClipEncoder(clip(**resnet), "open_clip:x", tokenizer)
