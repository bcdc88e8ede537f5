"""Trained models on this computer, and taking over what others made."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from napari_construct.models.library.importing import Import, import_steps
from napari_construct.models.library.overview import missing_encoder, model_overview, remove, trained_models
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig

CONFIG = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    folder = tmp_path / "home"
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = build_model(CONFIG, TinyEncoder(), 2)
    table = ClassTable.from_names(("tumour", "stroma"))
    return save_checkpoint(tmp_path / "mine.construct", checkpoint_of(made, table, mpp=0.5))


def test_what_is_here_and_what_each_lacks(model: Path, home: Path) -> None:
    run(import_steps(Import(str(model))))
    on_conch = replace(load_checkpoint(model), config=CONFIG.model_copy(update={"encoder": "conch"}))
    save_checkpoint(home / "models" / "gated.construct", on_conch)
    (home / "models" / "half.construct").write_bytes(model.read_bytes()[:500])
    rows = {row.name: row for row in model_overview()}
    assert rows.keys() == trained_models().keys() >= {"mine", "gated", "half"}
    assert (rows["mine"].bundled, rows["mine"].problem, rows["mine"].facts["mpp"]) == (False, "", 0.5)
    assert rows["mine"].size == model.stat().st_size
    assert "conch: expected its weights on this computer, got none" in rows["gated"].problem
    assert "ask for access at https://huggingface.co/MahmoodLab/CONCH" in rows["gated"].problem
    assert "damaged" in rows["half"].problem
    assert rows["half"].facts == {}


def test_an_unknown_encoder_is_named_and_one_from_scratch_lacks_nothing() -> None:
    assert "got 'no-such'" in missing_encoder("no-such")
    assert missing_encoder("smp:resnet18") == missing_encoder("mini") == ""


def test_only_what_was_imported_is_removed(model: Path, home: Path, tmp_path: Path) -> None:
    run(import_steps(Import(str(model), name="other")))
    assert remove("other") == model.stat().st_size
    with pytest.raises(CheckpointError, match=r"got one that comes with napari-construct; nothing"):
        remove("lymph-node")
    with pytest.raises(EncoderError, match=r"expected an encoder of the catalogue"):
        remove("other")
    with pytest.raises(EncoderError):
        remove(f"../../{model.stem}")  # a name, not a way out of the folder
    assert model.is_file()


@pytest.mark.parametrize(
    "module", ["models.checkpoints.locations", "inference.zero_shot.settings", "encoders.catalogue.overview"]
)
def test_lists_of_models_are_made_without_torch(module: str) -> None:
    code = f"import sys, napari_construct.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
