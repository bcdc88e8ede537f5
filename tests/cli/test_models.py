from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.hub.store import own_folder
from napari_construct.inference.segment import segment
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import classes_as_text

pytestmark = pytest.mark.usefixtures("home")

Call = Callable[..., Any]
TOKEN = "hf_" + "secret" * 6


def test_list_shows_what_is_here_and_the_users_file(call: Call, home: Path) -> None:
    done = call("models", "list")
    assert done.exit_code == 0
    for words in ("conch", "gated", "quiltnet-b-16", "available", "mini", "bundled"):
        assert words in done.stdout
    assert "encoders.toml (does not exist yet)" in done.stdout.replace("\n", "")
    found = json.loads(call("models", "list", "--json", "-").stdout)
    rows = {row["id"]: row for row in found["encoders"]}
    assert "tiny" not in rows  # the tests' own
    assert rows["plip"]["licence"] == "unknown"
    assert (rows["conch"]["state"], rows["conch"]["text"]) == ("gated", True)
    home.mkdir()
    (home / "encoders.toml").write_text("[[encoder]]\nid = 'x'\n")
    broken = call("models", "list")
    assert broken.exit_code == 2
    assert "encoders.toml: encoder x: loader: expected a value, got none" in broken.stderr


def test_info_of_an_encoder_and_of_a_model(call: Call, model: Path) -> None:
    shown = call("models", "info", "conch").stdout
    assert "Non-commercial academic research only" in shown
    assert "models download conch" in shown
    facts = json.loads(call("models", "info", model, "--json", "-").stdout)
    assert facts["classes"] == ["tumour", "lymphoid"]
    assert facts["encoder weights inside"] is False
    assert "did you mean 'conch'" in call("models", "info", "conhc").stderr


def test_the_gate_asks_before_anything_is_fetched(call: Call) -> None:
    shut = call("models", "download", "conch")
    assert shut.exit_code == 2
    assert "CC-BY-NC-ND-4.0" in shut.stderr
    assert "https://huggingface.co/MahmoodLab/CONCH" in shut.stderr
    assert "add --accept-licence" in shut.stderr
    offline = call("models", "download", "conch", "--accept-licence")  # HF_HUB_OFFLINE is set in tests
    assert offline.exit_code == 2
    assert "offline mode" in offline.stderr


def test_from_a_folder_and_removed_again(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "usb" / "smp-hub" / "mit_b0.imagenet"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    done = call("models", "download", "mit_b0", "--mirror", tmp_path / "usb")
    assert done.exit_code == 0, done.stderr
    assert "Research and evaluation only" in done.stderr
    assert (own_folder(find_entry("mit_b0")) / "model.safetensors").read_bytes() == b"weights"
    assert json.loads(call("models", "info", "mit_b0", "--json", "-").stdout)["state"] == "installed"
    assert "7 B freed" in call("models", "remove", "mit_b0").stdout
    assert call("models", "remove", "mit_b0").exit_code == 2


def test_a_model_goes_out_and_comes_back(call: Call, model: Path, image: Path, tmp_path: Path) -> None:
    assert call("models", "export", model, "-o", tmp_path / "out", "--name", "shared").exit_code == 0
    assert (tmp_path / "out" / "shared.md").is_file()
    assert call("models", "import", tmp_path / "out" / "shared.construct").exit_code == 0
    assert "shared" in call("models", "list").stdout
    done = call("segment", image, "-m", "shared", "--no-crf", "-o", tmp_path / "results")
    assert done.exit_code == 0, done.stderr
    assert call("models", "remove", "shared").exit_code == 0


def test_zero_shot_from_examples(call: Call, camelyon: Path, image: Path, tmp_path: Path) -> None:
    for kind in ("img", "mask"):
        (tmp_path / "marked" / kind).mkdir(parents=True)
    for value, name in enumerate(("tumour", "lymphoid")):
        path = min((camelyon / "train" / name).glob("*.png"))
        Image.open(path).save(tmp_path / "marked" / "img" / path.name)
        Image.fromarray(np.full((128, 128), value, np.uint8)).save(tmp_path / "marked" / "mask" / path.name)
    command = ("segment", image, "--zero-shot", "mini", "--no-crf", "--mpp", 0.25, "-o", tmp_path / "results")
    done = call(*command, "--classes", "tumour; lymphoid", "--examples", tmp_path / "marked")
    assert done.exit_code == 0, done.stderr
    record = json.loads((tmp_path / "results" / "region.json").read_text())
    assert record["model"]["name"] == "zero-shot mini"
    assert "expected classes for --zero-shot" in call(*command).stderr
    wordless = call(*command, "--classes", "tumour; lymphoid")
    assert wordless.exit_code == 2
    assert "or give example regions" in wordless.stderr
    assert "'maskclip', 'clip_surgery'" in call(*command, "--classes", "a;b", "--attention", "x").stderr


def test_zero_shot_from_words(call: Call, small_clip: str, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    words = ZeroShotSettings(
        encoder=small_clip,
        classes="tumour: malignant glands | carcinoma; stroma: fibrous tissue",
        attention="maskclip",
        templates=("a photo of {}.", "{}"),
        prompt_ensemble="prototypes",
    )
    command = ("segment", image, "--no-crf", "--tile", 128, "-o", out, "--zero-shot", words.encoder)
    command += ("--classes", classes_as_text(words.classes), "--attention", words.attention)
    command += ("--template", "a photo of {}.", "--template", "{}", "--several", "prototypes")
    done = call(*command)
    assert done.exit_code == 0, done.stderr
    expected = segment(read_image(image).pixels, words, crf=None, tile=128)
    np.testing.assert_array_equal(read_mask(out / "region_mask.tif"), expected.labels)
    ticked = call(*command, "--settings", '{"classes": ["stroma"]}')
    assert ticked.exit_code == 0, ticked.stderr
    assert set(np.unique(read_mask(out / "region_mask.tif"))) <= {0, 2}
    assert "one {} each, got 'no place'" in call(*command, "--template", "no place").stderr


def test_doctor_fits_a_screen_and_names_no_token(call: Call, home: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", "http://anna:geheim@proxy.example:8080")
    home.mkdir()
    (home / "token").write_text(TOKEN)
    done = call("models", "doctor")
    assert done.exit_code == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "http://***@proxy.example:8080" in done.stdout
    assert "geheim" not in done.stdout
    assert len(done.stdout.splitlines()) < 60
    for words in ("napari-construct", "torch", "free space", "there is one", "lymph-node", "offline mode"):
        assert words in done.stdout
    report = call("models", "doctor", "--json", "-").stdout
    assert TOKEN not in report
    assert json.loads(report)["hub"]["token"] == "there is one"
