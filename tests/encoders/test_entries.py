"""Encoders that a user adds in a file: no code, and errors that name file, entry and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from napari_construct.encoders.catalogue.lookup import create_encoder, entries, find_entry
from napari_construct.encoders.entries import read_entries
from napari_construct.encoders.hub.store import import_weights, located, own_folder, remove
from napari_construct.exceptions import EncoderError

ENTRY = """
[[encoder]]
id = "our-vit"
loader = "timm"
model = "vit_tiny_patch16_224"
options = { img_size = 64, init_values = 1e-5 }
note = "Ours."
source = "https://example.org"
repository = "ours/vit"
files = [{ name = "model.safetensors", alternative_names = ["w.bin"] }]
licence = "MIT"
licence_terms = "Free."
mpp = 0.5
redistributable = true
citation = "We (2026)."
"""


def test_one_entry_and_no_code(home: Path, tmp_path: Path) -> None:
    (home / "encoders.toml").write_text(ENTRY)
    entry = find_entry("our-vit")
    assert entry in entries()
    with pytest.raises(
        EncoderError, match=r"our-vit: .*\(napari-construct models download our-vit; .* MIT\)"
    ):
        create_encoder("our-vit")
    options = {"num_classes": 0, "img_size": 64, "init_values": 1e-5}
    trunk = timm.create_model("vit_tiny_patch16_224", pretrained=False, **options)
    save_file(trunk.state_dict(), tmp_path / "anything.safetensors")
    kept = import_weights(entry, tmp_path / "anything.safetensors")
    found = located(entry)
    assert found is not None
    assert (found.weights, found.own) == (kept, True)
    assert kept == own_folder(entry) / "model.safetensors"
    encoder = create_encoder("our-vit")
    assert (encoder.spec.id, encoder.spec.mpp, encoder.spec.redistributable) == ("our-vit", 0.5, True)
    assert encoder(torch.rand(1, 3, 64, 64))[2].shape == (1, 192, 4, 4)
    assert remove(entry) == (tmp_path / "anything.safetensors").stat().st_size
    with pytest.raises(EncoderError, match="none here; nothing was removed"):
        remove(entry)


def test_json_is_read_as_well(home: Path) -> None:
    row = find_entry("dinov2-s").model_dump(mode="json") | {"id": "other-dino"}
    (home / "encoders.json").write_text(json.dumps({"encoder": [row]}))
    assert find_entry("other-dino").width == 384


def test_a_catalogue_is_known_by_its_content(tmp_path: Path) -> None:
    row = find_entry("dinov2-s").model_dump(mode="json")
    (tmp_path / "a.toml").write_text("\n" + json.dumps({"encoder": [row]}))
    (tmp_path / "b").write_text(ENTRY)
    assert read_entries(tmp_path / "a.toml")[0].id == "dinov2-s"
    assert read_entries(tmp_path / "b")[0].id == "our-vit"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('licence = "MIT"\n', "", r"encoder our-vit: licence: expected a value, got none"),
        ('loader = "timm"', 'loader = "magic"', r"encoder our-vit: loader: expected 'tiny'"),
        ("mpp = 0.5", 'mpp = "half"', r"encoder our-vit: mpp: expected a valid number"),
        ("mpp = 0.5", "mmp = 0.5", r"encoder our-vit: mmp: expected a known name"),
        ('"our-vit"', '"mini"', r"encoder mini: id: expected a name that is not in use"),
        ('"model.safetensors"', '"../../.bashrc"', r"files\.0\.name: .*expected a path inside"),
        ('repository = "ours/vit"\n', "", r"files need the repository"),
        ("[[encoder]]", "[encoder]", r"expected a list of encoders"),
        ('id = "our-vit"', "id = our-vit", r"expected a catalogue as TOML or JSON"),
        (ENTRY, ENTRY + ENTRY, r"expected every id once, got our-vit"),
        ("redistributable = true", "redistributable = true\ngated = true", r"cannot be redistributable"),
    ],
)
def test_errors_name_file_entry_and_field(home: Path, old: str, new: str, said: str) -> None:
    path = home / "encoders.toml"
    path.write_text(ENTRY.replace(old, new))
    with pytest.raises(EncoderError, match=said) as caught:
        entries()
    assert str(caught.value).startswith(f"{path}: ")


def test_files_of_another_kind_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(EncoderError, match=r"expected a file of conch \(pytorch_model\.bin"):
        import_weights(find_entry("conch"), tmp_path / "notes.txt")
    with pytest.raises(EncoderError, match="no file at"):
        import_weights(find_entry("conch"), tmp_path / "absent.bin")
    (tmp_path / "conch_byte_level_bpe_uncased.json").write_text("{}")
    kept = import_weights(find_entry("conch"), tmp_path / "conch_byte_level_bpe_uncased.json")
    assert kept.name == "conch_byte_level_bpe_uncased.json"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pytorch_model.bin", b"<html>Log in first</html>"),
        ("pytorch_model.bin", b""),
        ("conch_byte_level_bpe_uncased.json", b"<html>Log in first</html>"),
    ],
)
def test_what_is_no_weights_is_not_imported(tmp_path: Path, name: str, content: bytes) -> None:
    entry = find_entry("conch")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EncoderError, match=f"{name}: expected"):
        import_weights(entry, tmp_path / name)
    assert not (own_folder(entry) / name).exists()


def test_the_hubs_own_cache_is_found_whatever_its_spelling(home: Path) -> None:
    repository = home / "hub" / "models--MahmoodLab--conch"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    weights = repository / "snapshots" / "abc" / "pytorch_model.bin"
    weights.write_bytes(b"w")
    found = located(find_entry("conch"))
    assert found is not None
    assert (found.weights, found.own, found.size) == (weights, False, 1)
    with pytest.raises(EncoderError, match="only in the hub's cache"):
        remove(find_entry("conch"))
