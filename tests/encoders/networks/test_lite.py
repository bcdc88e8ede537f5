"""EfficientNet-Lite: equal to timm's network, whatever file its weights come from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.efficientnet_lite import SCALES, EfficientNetLite
from napari_construct.encoders.networks.lite import LiteEncoder, bundled_weights, load_lite
from napari_construct.encoders.networks.lite_weights import as_bytes, read_lite
from napari_construct.exceptions import EncoderError

from .lite_files import registry_names, whole_state

SHA256 = "8d54e59748caba18a608e0c6b0d7df6fe3e078fd74fc1fd11b39e759394e1ef7"
"""Of the bundled file, as scripts/make_lite.py makes it from the registry's package."""


@torch.no_grad()
@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("size", [(64, 96), (56, 72)], ids=["even sides", "odd sides inside"])
def test_outputs_are_those_of_timm(name: str, size: tuple[int, int]) -> None:
    theirs = timm.create_model(f"tf_efficientnet_{name}", features_only=True, out_indices=(1, 2, 3, 4))
    ours = EfficientNetLite(*SCALES[name])
    state = whole_state(name)
    ours.load_state_dict({key: state[key] for key in ours.state_dict()})
    theirs.load_state_dict(ours.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for training in (False, True):
        found, wanted = ours.train(training)(images), theirs.train(training)(images)
        assert ours.channels == tuple(level.shape[1] for level in wanted)
        for level, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(level, other, rtol=1e-4, atol=1e-4 * float(other.std()))
        ours.load_state_dict({key: state[key] for key in ours.state_dict()})
        theirs.load_state_dict(ours.state_dict())


def test_folded_norms_pass_gradients_as_separate_ones_do() -> None:
    ours = load_lite("lite0")
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    theirs.load_state_dict(ours.network.state_dict())
    images = torch.rand(1, 3, 64, 64)
    for network in (ours.network, theirs):
        sum(level.mean() for level in network(images)).backward()
    wanted = dict(theirs.named_parameters())
    for key in ("conv_stem.weight", "blocks.3.0.conv_dw.weight", "blocks.5.1.bn2.weight"):
        found = dict(ours.network.named_parameters())[key].grad
        assert found is not None
        torch.testing.assert_close(found, wanted[key].grad, rtol=1e-3, atol=1e-3 * float(found.abs().max()))


def test_the_bundled_file_is_the_one_that_the_script_makes() -> None:
    content = bundled_weights().read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256
    assert as_bytes(read_lite(bundled_weights(), "lite0")) == content
    assert len(content) < 6_100_000
    for name in ("NOTICE.txt", "LICENSE-Apache-2.0.txt"):
        assert "Apache" in bundled_weights().with_name(name).read_text(encoding="utf-8")


def test_the_pyramid_of_the_bundled_encoder() -> None:
    encoder = create_encoder("lite0")
    assert encoder.spec.redistributable
    assert encoder.spec.licence == "Apache-2.0"
    with torch.inference_mode():
        levels = encoder(torch.rand(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (c, 64 // s, 96 // s) for c, s in zip(encoder.spec.channels, encoder.spec.strides, strict=True)
    ]
    spreads = [float(level.std()) for level in levels]
    assert min(spreads) > 0.5  # random weights would fade


def test_it_needs_no_timm() -> None:
    code = (
        "import sys; from napari_construct.encoders.catalogue.lookup import create_encoder; "
        "create_encoder('lite0'); sys.exit('timm' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_tile_sees_what_the_image_shows() -> None:
    encoder = create_encoder("lite0")
    image = torch.rand(1, 3, 256, 512, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole, tile = encoder(image)[0], encoder(image[..., 64:448])[0]
    # far enough from the tile's border, beyond which local contrast and convolutions saw nothing
    torch.testing.assert_close(whole[..., 44:84], tile[..., 28:68], rtol=1e-3, atol=1e-3 * float(whole.std()))


@pytest.mark.parametrize("name", ["lite0", "lite2"])
def test_three_files_give_one_encoder(name: str, tmp_path: Path) -> None:
    state = whole_state(name)
    save_file(state, tmp_path / "model.safetensors")  # timm's, with the classifier
    torch.save(registry_names(state), tmp_path / "registry.pth", _use_new_zipfile_serialization=False)
    made = as_bytes(read_lite(tmp_path / "model.safetensors", name))
    (tmp_path / "own.safetensors").write_bytes(made)
    assert as_bytes(read_lite(tmp_path / "registry.pth", name)) == made
    files = ("own.safetensors", "model.safetensors", "registry.pth")
    assert len({encoder_hash(load_lite(name, tmp_path / file)) for file in files}) == 1


def test_other_weights_are_refused(tmp_path: Path) -> None:
    state = whole_state("lite0")
    save_file(state, tmp_path / "lite0.safetensors")
    with pytest.raises(EncoderError, match=r"expected .* the lite2 encoder"):
        load_lite("lite2", tmp_path / "lite0.safetensors")
    save_file(state | {"head.more": torch.zeros(2)}, tmp_path / "more.safetensors")
    with pytest.raises(EncoderError, match=r"with the unknown head\.more"):
        load_lite("lite0", tmp_path / "more.safetensors")
    save_file(state | {"bn1.running_var": torch.full((32,), 1e6)}, tmp_path / "large.safetensors")
    with pytest.raises(EncoderError, match=r"half precision in bn1\.running_var"):
        load_lite("lite0", tmp_path / "large.safetensors")


def test_seeds_decide_random_weights() -> None:
    assert encoder_hash(LiteEncoder(seed=1)) == encoder_hash(LiteEncoder(seed=1))
    assert encoder_hash(LiteEncoder(seed=1)) != encoder_hash(LiteEncoder(seed=2))
