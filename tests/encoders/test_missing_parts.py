"""No weights, no result: an encoder without one of its tensors, or without all of them, is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor

from napari_construct.encoders.catalogue.lookup import bundled_entries, create_encoder
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.encoders.networks.lite import LiteEncoder
from napari_construct.encoders.networks.mini import MiniEncoder
from napari_construct.encoders.networks.mix_transformer import MixTransformer
from napari_construct.exceptions import EncoderError
from napari_construct.inference.zero_shot.predictor import load_zero_shot

VISION = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CONFIG = {"model_cfg": {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}, "preprocess_cfg": {}}
ARGUMENTS = {"img_size": 32, "embed_dim": 32, "depth": 4, "num_heads": 2}

State = dict[str, Tensor]


def clip_state() -> State:
    torch.manual_seed(0)
    return {k: v.contiguous() for k, v in CLIP(**CONFIG["model_cfg"]).state_dict().items()}  # type: ignore[arg-type]


def conch_state() -> State:
    names = ConchEncoder(4).state_dict()
    return {name: torch.tensor(0.01).expand(value.shape) for name, value in names.items()}


def vit_state() -> State:
    return dict(timm.create_model("vit_tiny_patch16_224", num_classes=0, **ARGUMENTS).state_dict())


LOADERS: dict[str, tuple[str, str, Callable[[], State]]] = {
    "open_clip": ("open_clip:local-dir:", "open_clip_model.safetensors", clip_state),
    "timm": ("timm:local-dir:", "model.safetensors", vit_state),
    "mix_transformer": ("mit_b0", "w.safetensors", lambda: dict(MixTransformer("mit_b0").mit.state_dict())),
    "lite": ("lite0", "w.safetensors", lambda: dict(LiteEncoder().network.state_dict())),
    "mini": ("mini", "w.safetensors", lambda: dict(MiniEncoder().state_dict())),
    "conch": ("conch", "w.bin", conch_state),
}
WITHOUT_WEIGHTS = {"tiny", "structure", "untrained"}
"""Loaders whose numbers follow from the code alone: they refuse a file."""


def made(loader: str, folder: Path, state: State) -> Any:
    encoder_id, name, _ = LOADERS[loader]
    (folder / "open_clip_config.json").write_text(json.dumps(CONFIG))
    config = {"architecture": "vit_tiny_patch16_224", "model_args": ARGUMENTS, "pretrained_cfg": {}}
    (folder / "config.json").write_text(json.dumps(config))
    if name.endswith("bin"):
        torch.save(state, folder / name)
    else:
        save_file(state, folder / name)
    whole = f"{encoder_id}{folder}" if encoder_id.endswith(":") else encoder_id
    return create_encoder(whole, weights=folder / name)


def test_every_loader_of_the_catalogue_is_here() -> None:
    assert {entry.loader for entry in bundled_entries()} == LOADERS.keys() | WITHOUT_WEIGHTS
    for entry in bundled_entries():
        if entry.loader in WITHOUT_WEIGHTS:
            with pytest.raises(EncoderError, match="expected no file of weights"):
                create_encoder(entry.id, weights="w.safetensors")


@pytest.mark.parametrize("loader", LOADERS)
def test_whole_weights_load_and_any_missing_tensor_is_an_error(loader: str, tmp_path: Path) -> None:
    state = LOADERS[loader][2]()
    made(loader, tmp_path, state)
    names = list(state)
    for name in (names[0], names[len(names) // 2], names[-1]):
        with pytest.raises(EncoderError, match=r"expected .*got a file without|must be|square grid"):
            made(loader, tmp_path, {k: v for k, v in state.items() if k != name})


@pytest.mark.parametrize("loader", LOADERS)
def test_no_tensor_at_all_is_an_error(loader: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"expected named tensors|got a file without"):
        made(loader, tmp_path, {})


@pytest.mark.parametrize(
    ("family", "file", "content"),
    [
        ("open_clip", "open_clip_config.json", CONFIG),
        ("timm", "config.json", {"architecture": "vit_tiny_patch16_224"}),
    ],
)
def test_a_folder_with_a_configuration_and_no_weights_is_an_error(
    family: str, file: str, content: Any, tmp_path: Path
) -> None:
    (tmp_path / file).write_text(json.dumps(content))
    parts = {"weight_map": {"a": "../../secret.safetensors"}}  # an index of parts elsewhere is not followed
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(parts))
    with pytest.raises(EncoderError, match="expected weights"):
        create_encoder(f"{family}:local-dir:{tmp_path}")
    with pytest.raises(EncoderError, match="expected weights"):
        load_zero_shot(f"{family}:local-dir:{tmp_path}", "tumour; stroma", device="cpu")


def test_a_name_that_the_library_knows_is_no_weights() -> None:
    from napari_construct.encoders.networks.open_clip_files import load_open_clip

    entry = EncoderEntry.model_validate(
        {"id": "x", "loader": "open_clip", "model": "ViT-B-16", "note": "-", "source": "-", "licence": "MIT",
         "licence_terms": "-", "citation": "-"}
    )  # fmt: skip
    with pytest.raises(EncoderError, match="got a network without weights"):
        load_open_clip(entry, None, config=Path("open_clip_config.json"))
