"""CONCH from a file, through the catalogue, gives the golden numbers of the original."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.models.network.config import BCSS_MEAN, BCSS_STD
from napari_construct.models.network.released_arithmetic import Restandardise

pytestmark = pytest.mark.slow


def test_text_and_image_features_from_a_wrapped_file(shared: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("parity_weights", shared / "parity" / "weights.py")
    assert spec is not None
    assert spec.loader is not None
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    names = ConchEncoder(grid=14).state_dict()
    state = {
        f"module.{name}": torch.as_tensor(weights.tensor(f"conch.{name}", tuple(value.shape)))
        for name, value in names.items()
    }
    state["module.text_decoder.cross_attn.weight"] = torch.ones(3)
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "pytorch_model.bin")
    del state
    encoder = create_encoder("conch", weights=tmp_path / "pytorch_model.bin")
    assert isinstance(encoder, ConchEncoder)
    with np.load(shared / "parity" / "construct_reference.npz") as golden:
        tokens, text, images = golden["tokens"], golden["text_embeddings"], golden["images"]
        levels = [golden[f"student_{k}"] for k in range(4)]
    with torch.no_grad():
        found = encoder.embed_tokens(tokens).numpy()
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        pyramid = encoder(Restandardise(encoder.spec, BCSS_MEAN, BCSS_STD)(pixels))
    np.testing.assert_allclose(found, text, atol=1e-5)
    for level, wanted in zip(pyramid, levels, strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(level[:, ::96].numpy() / scale, wanted / scale, atol=1e-4)
