"""The command ``calibrate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from napari_construct.cli._errors import OneLineErrors
from napari_construct.cli.calibrate import calibrate
from napari_construct.models.checkpoint import load_checkpoint

app = typer.Typer(cls=OneLineErrors)
app.callback()(lambda: None)
app.command("calibrate")(calibrate)


def test_calibrate_writes_a_model_with_other_thresholds(camelyon: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.construct"
    arguments = [model, camelyon / "train", "-o", output, "--mpp", 0.25, "--json", tmp_path / "c.json"]
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "present from: tumour" in result.stdout
    made, content = load_checkpoint(output), json.loads((tmp_path / "c.json").read_text())
    assert list(made.calibration.presence_thresholds) == content["calibration"]["presence_thresholds"]
    assert load_checkpoint(model).calibration.presence_thresholds == ()


def test_data_without_labels_is_named(model: Path, tmp_path: Path, call: Callable[..., Any]) -> None:
    result = CliRunner().invoke(
        app, ["calibrate", str(model), str(tmp_path / "no"), "-o", str(tmp_path / "x")]
    )
    assert result.exit_code == 2
    assert "no: expected a folder of patches" in result.stderr
    assert not (tmp_path / "x.construct").exists()
