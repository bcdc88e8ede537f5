"""The command ``calibrate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from napari_construct.cli._errors import OneLineErrors
from napari_construct.cli.calibrate import calibrate
from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint

app = typer.Typer(cls=OneLineErrors)
app.callback()(lambda: None)
app.command("calibrate")(calibrate)


def test_calibrate_writes_a_model_with_other_thresholds(camelyon: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.construct"
    arguments = [model, camelyon / "train", "-o", output, "--mpp", 0.25, "--json", tmp_path / "c.json"]
    result = CliRunner().invoke(app, ["calibrate", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "presence thresholds: tumour" in result.stdout
    made, content = load_checkpoint(output), json.loads((tmp_path / "c.json").read_text())
    assert list(made.calibration.presence_thresholds) == content["calibration"]["presence_thresholds"]
    assert load_checkpoint(model).calibration.presence_thresholds == ()


def test_a_model_of_another_encoder_is_refused_or_taken(camelyon: Path, model: Path, tmp_path: Path) -> None:
    found, output = load_checkpoint(model), tmp_path / "mine.construct"
    other = save_checkpoint(tmp_path / "other.construct", replace(found, encoder_hash="0" * 64))
    arguments = [str(a) for a in ("calibrate", other, camelyon / "train", "-o", output, "--mpp", 0.25)]
    refused = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    assert refused.exit_code == 2
    assert "(--any-encoder, in Python any_encoder)" in refused.stderr
    taken = CliRunner().invoke(app, [*arguments, "--device", "cpu", "--any-encoder"])
    assert taken.exit_code == 0, taken.output
    assert load_checkpoint(output).encoder_hash == "0" * 64  # it is still another encoder's


def test_data_without_labels_is_named(model: Path, tmp_path: Path, call: Callable[..., Any]) -> None:
    result = CliRunner().invoke(
        app, ["calibrate", str(model), str(tmp_path / "no"), "-o", str(tmp_path / "x")]
    )
    assert result.exit_code == 2
    assert "no: expected a folder of patches" in result.stderr
    assert not (tmp_path / "x.construct").exists()
