"""The command ``retrain``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from napari_construct.classes import ClassTable
from napari_construct.cli._errors import OneLineErrors
from napari_construct.cli.retrain import retrain
from napari_construct.data.images import read_image
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.teaching.correction_files import save_corrections
from napari_construct.teaching.strokes import Strokes

app = typer.Typer(cls=OneLineErrors)
app.callback()(lambda: None)
app.command("retrain")(retrain)


@pytest.fixture
def corrections(camelyon: Path, tmp_path: Path) -> Path:
    (path,) = (camelyon / "val" / "img").glob("*.png")
    image = read_image(path).pixels[:192, :192]
    painted = np.zeros(image.shape[:2], np.uint8)
    for row in range(10, 180, 40):
        painted[row : row + 4, 20:50], painted[row : row + 4, 100:140] = 1, 2
    given = [Strokes("case.png", image, painted, 0.25)]
    return save_corrections(tmp_path / "corrections", given, ClassTable.from_names(("tumour", "lymphoid")))


def call(*arguments: object) -> object:
    return CliRunner().invoke(app, ["retrain", *map(str, arguments)])


def test_a_model_is_retrained_and_the_old_one_stays(
    camelyon: Path, model: Path, corrections: Path, tmp_path: Path
) -> None:
    before = model.read_bytes()
    result = call(
        model, corrections, "-o", tmp_path / "new", "--replay", camelyon / "train", "--mpp", 0.25, "--steps",
        2, "--batch-size", 4, "--device", "cpu", "--json", tmp_path / "j.json", "--settings", '{"keep": 1.0}',
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert model.read_bytes() == before
    made = load_checkpoint(tmp_path / "new.construct")
    record = made.training["corrections"]
    assert record["model"]["sha256"] == file_hash(model)
    assert record["settings"]["keep"] == 1.0
    assert record["replay"]["patches"] > 0
    assert made.classes.names == ("tumour", "lymphoid")
    assert "tumour: IoU " in result.stdout
    assert "left-out strokes of 1 image" in result.stdout
    stored = json.loads((tmp_path / "j.json").read_text())
    assert stored["corrections"]["scores"]["difference"]["strokes"] == record["left_out_strokes"]
    again = call(
        model, corrections, "-o", tmp_path / "new", "--replay", camelyon / "train", "--mpp", 0.25, "--steps",
        2, "--batch-size", 4, "--device", "cpu", "--settings", '{"keep": 1.0}', "--resume",
    )  # fmt: skip
    assert again.exit_code == 0, again.output


def test_the_old_model_is_never_the_output(model: Path, corrections: Path) -> None:
    before = model.read_bytes()
    result = call(model, corrections, "-o", model, "--overwrite", "--steps", 1)
    assert result.exit_code == 2
    assert "error: " in result.stderr
    assert model.read_bytes() == before


def test_new_classes_are_sent_to_teach(model: Path, corrections: Path, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    image = np.full((64, 64, 3), 200, np.uint8)
    save_corrections(
        folder, [Strokes("a", image, np.ones((64, 64), np.uint8), None)], ClassTable.from_names(("mucus",))
    )
    result = call(model, corrections, folder, "-o", tmp_path / "new", "--steps", 1)
    assert result.exit_code == 2
    assert "mucus" in result.stderr
    assert "use Teach" in result.stderr


def test_masks_with_other_values_are_named(model: Path, tmp_path: Path) -> None:
    for inside in ("img", "mask"):
        (tmp_path / "c" / inside).mkdir(parents=True)
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(tmp_path / "c" / "img" / "a.png")
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "c" / "mask" / "a.png")
    result = call(model, tmp_path / "c", "-o", tmp_path / "new", "--steps", 1)
    assert result.exit_code == 2
    assert "got 7" in result.stderr
