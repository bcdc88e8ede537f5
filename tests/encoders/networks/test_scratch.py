from __future__ import annotations

import pytest
import torch

from napari_construct.encoders.networks.scratch import ScratchEncoder
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import EncoderError


def test_mit_and_resnet_give_the_levels_they_promise() -> None:
    for name, channels in (("mit_b0", (32, 64, 160, 256)), ("resnet18", (64, 128, 256, 512))):
        encoder = ScratchEncoder(name).eval()
        assert isinstance(encoder, Encoder)
        assert encoder.spec.id == f"smp:{name}"
        assert encoder.spec.channels == channels
        with torch.no_grad():
            levels = encoder(torch.rand(1, 3, 64, 96))
        assert [tuple(level.shape) for level in levels] == [
            (1, c, 64 // s, 96 // s) for c, s in zip(channels, encoder.spec.strides, strict=True)
        ]


def test_equal_seeds_give_equal_weights_and_leave_random_numbers_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second, other = (ScratchEncoder("resnet18", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    name = "network.layer1.0.conv1.weight"
    assert torch.equal(first.state_dict()[name], second.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_unknown_name_is_told() -> None:
    with pytest.raises(EncoderError, match="smp:resnet18"):
        ScratchEncoder("resnet1")
