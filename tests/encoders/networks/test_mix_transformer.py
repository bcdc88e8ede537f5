from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_construct.encoders.networks.mix_transformer import MixTransformer, load_mix_transformer
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import EncoderError


@pytest.fixture(scope="module")
def teacher() -> MixTransformer:
    return MixTransformer("mit_b0")


def test_published_strides(teacher: MixTransformer) -> None:
    assert isinstance(teacher, Encoder)
    assert teacher.spec.strides == (4, 8, 16, 16)
    levels = teacher(torch.rand(1, 3, 64, 96))
    assert tuple(level.shape[1] for level in levels) == teacher.spec.channels == (32, 64, 160, 256)
    assert [tuple(level.shape[-2:]) for level in levels] == [(64 // s, 96 // s) for s in teacher.spec.strides]


def test_channels_of_the_published_teacher() -> None:
    assert MixTransformer("mit_b1").spec.channels == (64, 128, 320, 512)


def test_frozen_in_eval_mode_and_seeded(teacher: MixTransformer) -> None:
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(teacher(images), MixTransformer("mit_b0")(images))
    other = MixTransformer("mit_b0", seed=1)(images)
    assert not torch.allclose(other[0], teacher(images)[0])


def test_loads_published_names_without_the_classification_head(
    teacher: MixTransformer, tmp_path: Path
) -> None:
    state = {name: value.clone() for name, value in MixTransformer("mit_b0", seed=2).mit.state_dict().items()}
    save_file(
        {**state, "head.weight": torch.ones(3, 256), "head.bias": torch.ones(3)}, tmp_path / "b0.safetensors"
    )
    loaded = load_mix_transformer("mit_b0", tmp_path / "b0.safetensors")
    torch.testing.assert_close(dict(loaded.mit.state_dict()), state)
    with pytest.raises(
        EncoderError, match=r"b0\.safetensors: expected .* for mit_b1|expected the weights of mit_b1"
    ):
        load_mix_transformer("mit_b1", tmp_path / "b0.safetensors")


def test_unknown_variant() -> None:
    with pytest.raises(EncoderError, match=r"expected one of mit_b0, .*, got 'mit_b9'"):
        MixTransformer("mit_b9")
