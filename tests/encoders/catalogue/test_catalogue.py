from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash, entries, find_entry
from napari_construct.encoders.catalogue.overview import members_here, overview
from napari_construct.encoders.folders import weights_folder
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import EncoderError


def test_every_entry_says_what_it_is() -> None:
    wanted = {"mini", "conch", "quiltnet-b-16", "quiltnet-b-16-pmb", "biomedclip", "pathgen-clip", "plip"}
    assert wanted | {f"mit_b{i}" for i in range(6)} <= {entry.id for entry in entries()}
    for entry in entries():
        assert entry.note.endswith(".")
        assert entry.licence_terms.endswith(".")
        assert "\n" not in entry.licence_terms
        assert entry.source.startswith("https://")
        assert not (entry.gated and entry.redistributable)


def test_ids_and_families() -> None:
    assert find_entry("mit_b3").role == "teacher"
    assert find_entry("conch").gated
    hub = find_entry("open_clip:hf-hub:a/b")
    assert (hub.id, hub.repository, hub.text) == ("open_clip:hf-hub:a/b", "a/b", True)
    assert hub.files[1].name == "open_clip_config.json"
    tagged = find_entry("timm:vit_tiny_patch16_224")  # timm's default weights of this network
    assert tagged.repository == "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert find_entry("timm:local-dir:/x").files == ()
    with pytest.raises(EncoderError, match="expected an id such as timm:hf-hub:OWNER/NAME"):
        find_entry("timm:hf-hub:no-owner")


@pytest.mark.parametrize("name", ["", "timm:", "open_clip:", "conch2", "MIT_B1"])
def test_unknown_ids_list_the_known_ones(name: str) -> None:
    known = (
        r"expected an encoder of the catalogue .*mini, lite0, lite1, lite2, small, medium, structure, conch"
    )
    with pytest.raises(EncoderError, match=known) as caught:
        create_encoder(name)
    assert "tiny" not in str(caught.value)


def test_what_only_tests_need_is_in_no_list() -> None:
    assert find_entry("tiny").hidden
    assert "tiny" not in {status.entry.id for status in overview()}
    assert "hidden" not in overview()[0].as_dict()


def test_members_of_families_are_listed_where_they_are_here(home: Path) -> None:
    own = weights_folder() / "open_clip--hf-hub--some-one--ViT-x"
    cached = home / "hub" / "models--b--c" / "snapshots" / "1"
    other = home / "hub" / "models--d--e" / "snapshots" / "1"
    strange = home / "weights" / "nobody--hf-hub--x--y", home / "hub" / "models--a--b--c" / "snapshots" / "1"
    for folder in (own, cached, other, *strange):
        folder.mkdir(parents=True)
        (folder / "open_clip_config.json").write_text("{}")
    (cached.parents[1] / "refs").mkdir()
    (cached.parents[1] / "refs" / "main").write_text("1")
    assert members_here() == ()  # no weights yet
    for folder in (own, cached):
        (folder / "open_clip_model.safetensors").write_bytes(b"x")
    ids = ["open_clip:hf-hub:some-one/ViT-x", "open_clip:hf-hub:b/c"]
    assert [entry.id for entry in members_here()] == ids
    listed = {status.entry.id: status.state for status in overview()}
    assert [listed[name] for name in ids] == ["installed", "installed"]


def test_a_misspelt_id_gets_a_suggestion() -> None:
    with pytest.raises(EncoderError, match="did you mean 'conch'"):
        create_encoder("conhc")


def test_tiny_is_frozen_and_in_eval_mode() -> None:
    encoder = create_encoder("tiny")
    assert isinstance(encoder, TinyEncoder)
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    with pytest.raises(EncoderError, match="tiny: expected no file of weights"):
        create_encoder("tiny", weights="w.safetensors")


def test_conch_without_weights_says_where_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        EncoderError, match=r"gated .* ask for access at https://huggingface\.co/MahmoodLab/CONCH"
    ):
        create_encoder("conch")
    with pytest.raises(
        EncoderError, match=r"napari-construct models download plip; in napari: Models; 605 MB, unknown\)"
    ):
        create_encoder("plip")
    with pytest.raises(EncoderError, match="found nothing there; check the path"):
        create_encoder("conch", weights=tmp_path / "absent.bin")


def test_hash_depends_on_names_types_shapes_and_values() -> None:
    first = encoder_hash(TinyEncoder())
    assert first == encoder_hash(TinyEncoder(encoder_id="another name"))
    assert len(first) == 64
    changed = TinyEncoder()
    with torch.no_grad():
        changed.stem.bias[0] += 1e-6
    others = {encoder_hash(TinyEncoder(seed=1)), encoder_hash(TinyEncoder(width=4)), encoder_hash(changed)}
    others.add(encoder_hash(TinyEncoder().double()))
    assert len(others | {first}) == 5


def test_hash_ignores_memory_layout() -> None:
    other = TinyEncoder().to(memory_format=torch.channels_last)
    assert encoder_hash(other) == encoder_hash(TinyEncoder())


def test_reading_the_catalogue_loads_no_torch() -> None:
    code = "import sys, napari_construct.encoders.catalogue.lookup; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
