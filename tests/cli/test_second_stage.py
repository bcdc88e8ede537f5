"""The command ``second-stage``."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from napari_construct.cli._errors import OneLineErrors
from napari_construct.cli.second_stage import second_stage
from napari_construct.models.checkpoints.checkpoint import load_checkpoint

app = typer.Typer(cls=OneLineErrors)
app.callback()(lambda: None)
app.command("second-stage")(second_stage)


def test_second_stage_writes_a_one_pass_model(camelyon: Path, model: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        [
            "second-stage", str(model), str(camelyon / "train"), "-o", str(tmp_path / "two"), "--mpp", "0.25",
            "--steps", "2", "--batch-size", "2", "--no-crf", "--device", "cpu", "--json", str(tmp_path / "j"),
            "--encoder", "first",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "of the pseudo-mask pixels ignored" in result.stdout
    made = load_checkpoint(tmp_path / "two.construct")
    assert made.config.network == "unet"
    assert made.classes.names == ("tumour", "lymphoid")
    assert made.training["config"]["crf"] is None
    assert json.loads((tmp_path / "j").read_text())["training"]["stage"] == 2


def test_masks_in_another_order_are_scored_so(camelyon: Path, model: Path, tmp_path: Path) -> None:
    scores = []
    for order in ("tumour,lymphoid", "lymphoid,tumour"):
        result = CliRunner().invoke(
            app,
            [
                "second-stage", str(model), str(camelyon / "train"), "-o", str(tmp_path / order), "--mpp",
                "0.25", "--steps", "1", "--batch-size", "2", "--no-crf", "--device", "cpu", "--val",
                str(camelyon / "val"), "--mask-order", order, "--encoder", "first",
            ],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        metrics = load_checkpoint(tmp_path / f"{order}.construct").metrics
        scores.append([metrics["val_iou/tumour"], metrics["val_iou/lymphoid"]])
    assert scores[0] != scores[1]


def test_a_missing_model_is_named(camelyon: Path, tmp_path: Path) -> None:
    arguments = ["second-stage", str(tmp_path / "no"), str(camelyon / "train"), "-o", str(tmp_path / "two")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no: expected a checkpoint" in result.stderr
