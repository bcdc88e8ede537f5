"""Overview, diagnostics and cards of what others made, or of files that nobody may read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of, save_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.models.library.diagnostics import as_text, diagnose
from napari_construct.models.library.importing import Import, import_steps
from napari_construct.models.library.model_card import model_card
from napari_construct.models.library.overview import model_overview
from napari_construct.models.library.sharing import export_model, import_model
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig

pytestmark = pytest.mark.usefixtures("home")

CONFIG = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


@pytest.fixture
def checkpoint() -> Checkpoint:
    made = build_model(CONFIG, TinyEncoder(), 2)
    return checkpoint_of(made, ClassTable.from_names(("tumour", "<b>=a|b`*[x](y)")), mpp=0.5)


def spoil(home: Path, kind: str) -> None:
    """Something where the models, catalogue or token should be."""
    (home / "models").mkdir(parents=True)
    model = home / "models" / "theirs.construct"
    if kind == "links":
        model.symlink_to("nowhere")
        (home / "encoders.toml").symlink_to("nowhere")
        (home / "token").symlink_to("nowhere")
    elif kind == "circles":
        model.symlink_to(model)
        (home / "encoders.toml").symlink_to(home / "encoders.toml")
        (home / "token").symlink_to(home / "token")
    elif kind == "folders":
        model.mkdir()
        (home / "encoders.toml").mkdir()
        (home / "token").mkdir()
    elif kind == "pipes":
        for path in (model, home / "encoders.toml", home / "token"):
            os.mkfifo(path)
    elif kind == "bytes":
        for path in (model, home / "encoders.toml", home / "token"):
            path.write_bytes(b"\xff\x00\x1b[31m")
    elif kind == "files":
        (home / "models").rmdir()
        for name in ("models", "weights", "hub"):
            (home / name).write_text("x")


@pytest.mark.parametrize("kind", ["links", "circles", "folders", "pipes", "bytes", "files"])
def test_overview_and_diagnostics_tell(home: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(home, kind)
    found = {status.name: status for status in model_overview()}
    assert found["lymph-node"].facts
    report = diagnose()
    assert "lymph-node" in report["models"]
    if kind != "files":
        assert "theirs" in found
        assert found["theirs"].problem
        assert "expected" in report["models"]["theirs"]
        assert report["hub"]["token"].startswith("unusable: ")
    as_text(report)


def test_diagnostics_of_folders_without_permission(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    real = Path.iterdir

    def refused(path: Path) -> Any:
        if path.is_relative_to(home):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert model_overview()
    assert diagnose()


def test_a_card_shows_foreign_text_and_runs_none(checkpoint: Checkpoint) -> None:
    hostile = replace(
        checkpoint,
        training={"note": "<script>alert(1)</script>", "a|b\n# x": "[click](http://x)", "esc": "\x1b[31m"},
        metrics={"m|iou": 0.5},
        versions={"torch": "<img src=x>"},
    )
    card = model_card(hostile, "m\n# injected `x`", "0" * 64, licence="MIT\n---\n<b>")
    assert "<" not in card.replace("\\<", "")
    assert "\x1b" not in card
    assert "\n# injected" not in card
    assert card.count("\n---\n") == 1
    assert "](http" not in card.replace("\\](", "")
    for line in card.splitlines():
        if line.startswith("| 2 |"):
            assert line.replace("\\|", "").count("|") == 5


@pytest.mark.parametrize(
    "name", ["../../evil", "/tmp/evil", "C:evil", "a\\evil", "nul", "", "x\ny", "..", "\x1b"]
)
def test_models_stay_in_their_folder(checkpoint: Checkpoint, home: Path, tmp_path: Path, name: str) -> None:
    path = save_checkpoint(tmp_path / "m.construct", checkpoint)
    for job in (
        lambda: export_model(path, tmp_path / "out", name=name or " "),
        lambda: import_model(path, name=name or " "),
        lambda: list(import_steps(Import(str(path), name=name or " "))),
    ):
        with pytest.raises(CheckpointError, match="expected a model name without folders") as caught:
            job()
        assert str(caught.value).isprintable()
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["lymph-node", "Lymph-Node", "LYMPH-NODE"])
def test_no_import_takes_the_name_of_a_bundled_model(
    checkpoint: Checkpoint, tmp_path: Path, name: str
) -> None:
    path = save_checkpoint(tmp_path / "m.construct", checkpoint)
    with pytest.raises(CheckpointError, match="expected a name of its own"):
        import_model(path, name=name)


@pytest.mark.parametrize("variable", ["~nobody-of-that-name/x", "~nobody-of-that-name"])
def test_a_home_that_the_system_does_not_know(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", variable)
    with pytest.raises(ConfigurationError, match="set NAPARI_CONSTRUCT_HOME to a folder"):
        resolve_model("lymph-node")
