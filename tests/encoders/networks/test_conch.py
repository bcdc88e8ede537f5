"""CONCH's composition without its weights: one number, expanded, stands for each tensor."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_construct.encoders.networks.conch import ConchEncoder, load_conch
from napari_construct.encoders.networks.conch_text import ConchTokenizer, assemble, find_tokenizer
from napari_construct.encoders.protocol import TextEncoder
from napari_construct.exceptions import EncoderError
from napari_construct.inference.segment import segment
from napari_construct.inference.zero_shot.predictor import load_zero_shot


def expanded(grid: int = 28) -> dict[str, Tensor]:
    """The published names with tensors that take no memory."""
    wanted = ConchEncoder(grid).state_dict()
    return {
        name: torch.tensor(0.02 + 1e-4 * i).expand(value.shape)
        for i, (name, value) in enumerate(wanted.items())
    }


@pytest.fixture(scope="module")
def conch() -> ConchEncoder:
    return ConchEncoder.from_state_dict(expanded(grid=4))


def test_all_326_published_names() -> None:
    names = ConchEncoder().state_dict()
    assert len(names) == 326
    assert sum(name.startswith("visual.") for name in names) == 175
    assert sum(name.startswith("text.") for name in names) == 150
    assert {
        "logit_scale",
        "visual.proj_contrast",
        "visual.attn_pool_contrast.query",
        "visual.attn_pool_caption.attn.in_proj_weight",
        "visual.trunk.blocks.11.mlp.fc2.bias",
        "text.cls_emb",
        "text.transformer.resblocks.0.attn.in_proj_weight",
    } <= names.keys()
    assert names["visual.trunk.pos_embed"].shape == (1, 785, 768)
    assert names["text.positional_embedding"].shape == (128, 768)


def test_takes_no_memory_before_it_is_loaded() -> None:
    assert all(value.is_meta for value in ConchEncoder().state_dict().values())


def test_loads_the_published_file_and_leaves_the_decoder_behind(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in expanded().items()}
    state["module.text_decoder.transformer.resblocks.0.ln_1.weight"] = torch.ones(768)
    torch.save({"state_dict": state}, tmp_path / "pytorch_model.bin")
    encoder = load_conch(tmp_path / "pytorch_model.bin")
    assert len(encoder.state_dict()) == 326
    assert not any(value.is_meta for value in (*encoder.state_dict().values(), *encoder.buffers()))
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder.training


def test_anything_else_is_an_error(tmp_path: Path) -> None:
    state = expanded()
    missing = {k: v for k, v in state.items() if k != "visual.ln_contrast.bias"}
    with pytest.raises(EncoderError, match=r"without visual\.ln_contrast\.bias"):
        ConchEncoder.from_state_dict(missing)
    with pytest.raises(EncoderError, match=r"with the unknown visual\.head\.weight"):
        ConchEncoder.from_state_dict({**state, "visual.head.weight": torch.ones(1)})
    with pytest.raises(EncoderError, match=r"without visual\.trunk\.pos_embed"):
        ConchEncoder.from_state_dict({k: v for k, v in state.items() if "pos_embed" not in k})
    with pytest.raises(EncoderError, match="square grid"):
        ConchEncoder.from_state_dict({**state, "visual.trunk.pos_embed": torch.ones(1, 100, 768)})
    torch.save({"weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(EncoderError, match=r"other\.pth: expected the weights of CONCH"):
        load_conch(tmp_path / "other.pth")


def test_pyramid_of_any_size(conch: ConchEncoder) -> None:
    assert isinstance(conch, TextEncoder)
    levels = conch(torch.rand(2, 3, 64, 96))
    assert tuple(level.shape[1] for level in levels) == conch.spec.channels
    assert [tuple(level.shape[-2:]) for level in levels] == [(64 // s, 96 // s) for s in conch.spec.strides]
    with pytest.raises(EncoderError, match="conch: expected RGB images whose sides are multiples of 32"):
        conch(torch.rand(1, 3, 80, 64))


def test_embeddings_are_unit_vectors(conch: ConchEncoder) -> None:
    images = conch.embed_images(torch.rand(2, 3, 64, 64))
    tokens = conch.embed_tokens(np.array([assemble([5, 6, 7]), assemble([])]))
    assert images.shape == tokens.shape == (2, conch.spec.embedding_width)
    torch.testing.assert_close(images.norm(dim=-1), torch.ones(2))
    torch.testing.assert_close(tokens.norm(dim=-1), torch.ones(2))


@pytest.mark.parametrize(
    "tokens", [np.zeros((1, 127), np.int64), np.zeros((1, 128)), np.full((1, 128), 32007)]
)
def test_tokens_of_another_form_are_refused(conch: ConchEncoder, tokens: np.ndarray) -> None:
    with pytest.raises(EncoderError, match=r"expected .*tokens"):
        conch.embed_tokens(tokens)


def test_tokens_start_end_fit_and_leave_room_for_the_class_token() -> None:
    assert assemble([7, 8])[:5] == [1, 7, 8, 2, 0]
    full = assemble(range(3, 400))
    assert len(full) == len(assemble([])) == 128
    assert full[0] == 1
    assert full[125:] == [127, 2, 0]


def test_texts_need_the_users_tokenizer(conch: ConchEncoder) -> None:
    with pytest.raises(EncoderError, match="expected CONCH's tokenizer file for texts"):
        conch.embed_texts(["tumour"])


def bpe(path: Path) -> Path:
    """A byte-level BPE of single letters."""
    letters = {"<pad>": 0, "<start>": 1, "<end>": 2, "Ġ": 3, "a": 4, "b": 5}
    model = {"type": "BPE", "vocab": letters, "merges": []}
    pre = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    text = {"version": "1.0", "added_tokens": [], "normalizer": {"type": "Lowercase"}, "pre_tokenizer": pre}
    path.write_text(json.dumps({**text, "post_processor": None, "decoder": None, "model": model}))
    return path


def test_tokenizer_reads_the_users_file(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="texts need the package tokenizers, which is absent here")
    path = bpe(tmp_path / "conch_byte_level_bpe_uncased.json")
    assert find_tokenizer(tmp_path / "pytorch_model.bin") == path
    tokens = ConchTokenizer(path)(["AB  b", ""])
    assert tokens.shape == (2, 128)
    assert tokens[0, :6].tolist() == [1, 4, 5, 3, 5, 2]
    assert tokens[1, :3].tolist() == [1, 2, 0]
    with pytest.raises(EncoderError, match="expected a list of texts"):
        ConchTokenizer(path)("ab")
    path.write_text("{}")
    with pytest.raises(EncoderError, match="cannot be read"):
        ConchTokenizer(path)
    with pytest.raises(EncoderError, match=r"expected CONCH's tokenizer file .*, got none at"):
        ConchTokenizer(tmp_path / "absent.json")


@pytest.mark.skipif(
    importlib.util.find_spec("tokenizers") is not None, reason="the package tokenizers is there"
)
def test_without_the_tokenizers_package_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="pip install tokenizers"):
        ConchTokenizer(bpe(tmp_path / "tokenizer.json"))


@pytest.fixture(scope="module")
def uneven() -> ConchEncoder:
    """Weights that differ from one another, so that patches and texts do."""
    generator = torch.Generator().manual_seed(0)
    wanted = ConchEncoder(grid=4).state_dict()
    return ConchEncoder.from_state_dict(
        {name: 0.05 * torch.randn(value.shape, generator=generator) for name, value in wanted.items()}
    )


@pytest.mark.slow
def test_patches_are_what_the_pooler_makes_of_each_alone(uneven: ConchEncoder) -> None:
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        found = uneven.embed_patches(images, "none")
        visual = uneven.visual
        tokens = visual.trunk.norm(visual.trunk.blocks(visual.embed(uneven.normalise(images))))
        alone = [
            visual.ln_contrast(visual.attn_pool_contrast(tokens[:, i : i + 1])[:, 0]) @ visual.proj_contrast
            for i in range(1, 25)
        ]
        torch.testing.assert_close(
            found.flatten(2)[0].T, F.normalize(torch.cat(alone), dim=-1), rtol=1e-4, atol=1e-5
        )
        assert found.shape == (1, uneven.spec.embedding_width, 4, 6)
        assert not torch.allclose(found, uneven.embed_patches(images, "clearclip"))


@pytest.mark.slow
def test_segments_from_words_of_the_users_tokenizer(uneven: ConchEncoder, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="texts need the package tokenizers, which is absent here")
    uneven.tokenizer = ConchTokenizer(bpe(tmp_path / "conch_byte_level_bpe_uncased.json"))
    try:
        predictor = load_zero_shot(uneven, "a: a; b: b b", templates=("{}",), device="cpu")
        pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        result = segment(pixels, predictor, crf=None, tile=64, overlap=0)
    finally:
        uneven.tokenizer = None
    assert result.record["model"]["name"] == "zero-shot conch"
    assert set(np.unique(result.labels)) <= {0, 1, 2}
    assert np.ptp(result.cams) > 0
