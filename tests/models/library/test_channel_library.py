"""A model for channels beside the others: overview, facts, card, export, import, diagnosis."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_construct.cli import app
from napari_construct.models.checkpoints.channel_checkpoint import (
    channel_checkpoint_of,
    save_channel_checkpoint,
)
from napari_construct.models.library.diagnostics import diagnose
from napari_construct.models.library.overview import model_facts, model_overview
from napari_construct.models.library.sharing import export_model, import_model
from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    config = ChannelUNetConfig(encoder="lite0", channels=("nuclear", "<b>x|y"), decoder=(8, 8, 8, 8, 8))
    checkpoint = channel_checkpoint_of(
        build_channel_unet(config, pretrained=True),
        mpp=0.5,
        metrics={"val_dice": 0.912345},
        training={"steps": 7},
    )
    return save_channel_checkpoint(tmp_path / "student", checkpoint)


def test_overview_and_facts(path: Path) -> None:
    status = next(s for s in model_overview([path]) if s.path == path)
    assert status.problem == ""
    facts = model_facts(path)
    assert facts == status.facts
    assert (facts["channels"], facts["encoder"], facts["mpp"]) == (["nuclear", "<b>x|y"], "lite0", 0.5)
    assert facts["encoder started from"].startswith("Apache-2.0")
    assert facts["metrics"] == {"val_dice": 0.912345}


def test_export_with_card_and_import(path: Path, tmp_path: Path) -> None:
    written = export_model(str(path), tmp_path / "out", licence="MIT")
    assert written["model"].read_bytes() == path.read_bytes()
    card = written["card"].read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "| 0 | nuclear |" in card
    assert r"| 1 | \<b\>x\|y |" in card
    assert "Apache-2.0. Trained on ImageNet" in card
    assert "| val\\_dice | 0.9123 |" in card
    kept = import_model(path, name="mine")
    assert kept.read_bytes() == path.read_bytes()
    assert "lite0 for the channels nuclear" in diagnose()["models"]["mine"]


def test_command_line_describes_it(path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "info", str(path)])
    assert result.exit_code == 0, result.output
    assert "nuclear, <b>x|y" in result.output
    import_model(path, name="mine")
    listed = CliRunner().invoke(app, ["models", "list"])
    assert "mine" in listed.output
