"""Configurations of others: nothing in them is run, fetched or believed."""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file

from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.exceptions import EncoderError

VISION = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
ARGUMENTS = {"img_size": 32, "embed_dim": 32, "depth": 4, "num_heads": 2}


def clip_folder(folder: Path, *, vision: Any = None, text: Any = None, **changes: Any) -> str:
    model = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
    state = CLIP(**model).state_dict()  # type: ignore[arg-type]
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "open_clip_model.safetensors")
    model |= {"vision_cfg": {**VISION, **(vision or {})}, "text_cfg": {**TEXT, **(text or {})}, **changes}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))
    return f"open_clip:local-dir:{folder}"


def timm_folder(folder: Path, config: Any) -> str:
    trunk = timm.create_model("vit_tiny_patch16_224", num_classes=0, **ARGUMENTS)
    save_file(trunk.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return f"timm:local-dir:{folder}"


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """A stand-in for the transformers library, which runs the code beside a tokenizer when it is told to."""
    calls: list[dict[str, Any]] = []
    module = types.ModuleType("transformers")

    class AutoTokenizer:
        def __call__(self, texts: list[str], **_: Any) -> Any:
            return types.SimpleNamespace(input_ids=torch.zeros(len(texts), 77, dtype=torch.long))

        @classmethod
        def from_pretrained(cls, name: str, **options: Any) -> AutoTokenizer:
            calls.append({"name": name, **options})
            code = Path(name) / "tokenization_planted.py"
            if options.get("trust_remote_code") is not False and code.is_file():
                exec(code.read_text(), {})
            return cls()

    module.AutoTokenizer = AutoTokenizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", module)
    return calls


def plant(folder: Path) -> Path:
    """A tokenizer with code of its own; the mark that it leaves when it is run."""
    mark = folder / "was-run"
    (folder / "tokenization_planted.py").write_text(f"open({str(mark)!r}, 'w').close()")
    auto = {"AutoTokenizer": ["tokenization_planted.Planted", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto}))
    (folder / "config.json").write_text(json.dumps({"auto_map": auto, "model_type": "planted"}))
    return mark


def test_a_planted_tokenizer_is_not_run(tmp_path: Path, transformers: list[dict[str, Any]]) -> None:
    mark = plant(tmp_path)
    trusting = {"hf_tokenizer_name": "bert-base-uncased", "tokenizer_kwargs": {"trust_remote_code": True}}
    with pytest.raises(EncoderError, match=r"trust_remote_code: expected a known name"):
        create_encoder(clip_folder(tmp_path, text=trusting))
    assert transformers == []
    silent = {"hf_tokenizer_name": "bert-base-uncased", "tokenizer_kwargs": {"clean": "lower"}}
    create_encoder(clip_folder(tmp_path, text=silent))
    assert [call["trust_remote_code"] for call in transformers] == [False]
    assert not mark.exists()


@pytest.mark.parametrize("key", ["hf_tokenizer_name", "hf_model_name"])
@pytest.mark.parametrize("kind", ["folder", "relative", "repository", "known name that is a folder here"])
def test_text_networks_of_others_are_not_looked_for(
    key: str, kind: str, tmp_path: Path, transformers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "roberta-base"
    planted.mkdir()
    mark = plant(planted)
    monkeypatch.chdir(tmp_path)
    name = {"folder": str(planted), "relative": "./roberta-base", "repository": "evil/tokenizer"}.get(kind)
    with pytest.raises(
        EncoderError, match=rf"text_cfg\.{key}: expected a text.*known to be harmless"
    ) as caught:
        create_encoder(clip_folder(tmp_path, text={key: name or "roberta-base"}))
    assert str(caught.value).count("got ") == 1
    assert not mark.exists()
    assert transformers == []


@pytest.mark.parametrize(
    "change",
    [
        {"vision": {"image_size": 10**9}},
        {"vision": {"layers": 10**6}},
        {"vision": {"layers": [10**6] * 4}},
        {"vision": {"width": 10**6}},
        {"vision": {"head_width": 0}},
        {"vision": {"patch_size": -16}},
        {"vision": {"timm_model_name": "hf-hub:evil/model"}},
        {"vision": {"timm_model_name": "local-dir:/tmp"}},
        {"vision": {"mlp_ratio": float("nan")}},
        {"vision": {"unknown": 1}},
        {"text": {"vocab_size": 10**12}},
        {"text": {"context_length": 10**9}},
        {"text": {"layers": "many"}},
        {"text": {"act_kwargs": {"checkpoint_path": "/etc/passwd"}}},
        {"embed_dim": 10**9},
        {"embed_dim": None},
        {"multimodal_cfg": {"n_queries": 10**9}},
        {"custom_text": "yes please"},
        {"init_logit_scale": float("inf")},
        {"vision_cfg": []},
    ],
    ids=str,
)
def test_absurd_configurations_of_open_clip_are_refused_at_once(change: Any, tmp_path: Path) -> None:
    encoder_id = clip_folder(tmp_path, **change)
    start = time.monotonic()
    with pytest.raises(
        EncoderError, match=r"open_clip_config\.json: .*(model_cfg|no finite number)"
    ) as caught:
        create_encoder(encoder_id)
    assert len(str(caught.value)) < 600
    assert time.monotonic() - start < 5


def test_sizes_are_compared_with_the_weights_before_they_take_memory(tmp_path: Path) -> None:
    large = {"width": 8192, "layers": 100, "head_width": 64}  # 300 GB
    with pytest.raises(EncoderError, match=r"open_clip_model\.safetensors: expected the weights of"):
        create_encoder(clip_folder(tmp_path, vision=large))
    huge = {**ARGUMENTS, "embed_dim": 8192, "depth": 100, "num_heads": 64}
    config = {"architecture": "vit_tiny_patch16_224", "model_args": huge, "pretrained_cfg": {}}
    with pytest.raises(EncoderError, match=r"model\.safetensors: expected the weights of"):
        create_encoder(timm_folder(tmp_path, config))


@pytest.mark.parametrize(
    "config",
    [
        {"architecture": "hf-hub:evil/model"},
        {"architecture": "local-dir:/tmp"},
        {"architecture": "no_such_network"},
        {"architecture": ["vit_tiny_patch16_224"]},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"checkpoint_path": "/etc/passwd"}},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"pretrained_cfg": {"url": "http://evil"}}},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"img_size": 10**9}},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"depth": 10**6}},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"block_fn": "os.system"}},
        {"architecture": "vit_tiny_patch16_224", "model_args": {"act_layer": "os.system('x')"}},
        {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"std": [0, 0, 0]}},
        {"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {"mean": "many"}},
        {"model_args": {}},
        [],
        "[" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "1" * 2_000_000,
    ],
    ids=lambda value: str(value)[:60],
)
def test_absurd_configurations_of_timm_are_refused_at_once(config: Any, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"timm:local-dir:.*config\.json: ") as caught:
        create_encoder(timm_folder(tmp_path, config))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("key", ["url", "hf_hub_id", "custom_load", "file", "state_dict"])
def test_where_timm_would_get_weights_is_not_followed(key: str, tmp_path: Path) -> None:
    config = {
        "architecture": "vit_tiny_patch16_224",
        "model_args": {**ARGUMENTS, "num_classes": 3},
        "pretrained_cfg": {key: "http://evil/weights.pth", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]},
    }
    encoder = create_encoder(timm_folder(tmp_path, config))
    assert encoder.spec.mean == (0.1, 0.2, 0.3)
