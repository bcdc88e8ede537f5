"""The command ``train``, in process and as the real program."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from napari_construct.cli._errors import OneLineErrors
from napari_construct.cli.train import train
from napari_construct.models.checkpoints.checkpoint import load_checkpoint

app = typer.Typer(cls=OneLineErrors)
app.callback()(lambda: None)
app.command("train")(train)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(
        "epochs: 2\nbatch_size: 3\nimage_size: 64\nmemory_bank: 8\n"
        "model: {encoder: tiny, teacher: tiny, prototype_width: 16, projection_hidden: 16, "
        "fusion_width: 16}\n"
    )
    return path


def invoke(*args: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, args), "--device", "cpu"])


def test_train_prints_the_check_the_losses_and_the_checkpoint(
    camelyon: Path, settings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "m"
    result = invoke(
        camelyon / "train", "--val", camelyon / "val", "-o", output, "--config", settings, "--mpp", 0.25,
        "--classes", "tumour,lymphoid", "--seed", 5,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "6 patches" in result.stdout
    assert "tumour: 3 positive" in result.stdout
    assert "128 x 128 pixels: 6" in result.stdout
    assert "  0 -> tumour\n  1 -> lymphoid\n" in result.stderr
    assert "in the masks, value 0 is the first class (assumed); other values are ignored" in result.stderr
    assert "epoch 2/2:" in result.stderr
    assert "val_miou" in result.stdout
    assert result.stdout.splitlines()[-1] == f"checkpoint: {output}.construct"
    checkpoint = load_checkpoint(f"{output}.construct")
    assert checkpoint.classes.names == ("tumour", "lymphoid")
    assert checkpoint.mpp == pytest.approx(0.5)
    assert checkpoint.training["identity"]["config"]["seed"] == 5
    assert sorted(p.name for p in output.parent.iterdir()) == ["m.construct"]


def test_masks_in_another_order_are_named_before_training(
    camelyon: Path, settings: Path, tmp_path: Path
) -> None:
    val = shutil.copytree(camelyon / "val", tmp_path / "val")
    (val / "classes.json").write_text(json.dumps({"tumour": 0, "lymphoid": 1}))
    options = (camelyon / "train", "--val", val, "--config", settings, "--mpp", 0.25, "--epochs", 1)
    result = invoke(*options, "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    note = "The masks' value 0 is, by classes.json, tumour (class 2 of the patches), value 1 is lymphoid"
    assert f"note: {note}; if so, add --mask-order tumour,lymphoid" in result.stderr
    result = invoke(*options, "-o", tmp_path / "b", "--mask-order", "tumour,lymphoid")
    assert result.exit_code == 0, result.output
    assert "classes.json" not in result.stderr
    assert "in the masks, value 0 is tumour, 1 is lymphoid (as stated)" in result.stderr
    made = load_checkpoint(tmp_path / "b.construct")
    assert made.classes.names == ("lymphoid", "tumour")
    assert made.training["identity"]["config"]["mask_order"] == ["tumour", "lymphoid"]


def test_options_go_before_the_file(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    result = invoke(
        camelyon / "train", "-o", tmp_path / "m", "--config", settings, "--epochs", 1, "--batch-size", 6,
        "--teacher", "none", "--json", tmp_path / "m.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "m.json").read_text())
    assert len(written["history"]) == 1
    assert "distillation" not in written["metrics"]
    assert "without distillation" in result.stderr
    assert load_checkpoint(written["checkpoint"]).classes.names == ("lymphoid", "tumour")


def test_options_of_the_training_machinery(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    cache = tmp_path / "features"
    settings.write_text(settings.read_text() + f"cache_folder: {cache}\nviews_per_patch: 2\n")
    result = invoke(
        camelyon / "train", "-o", tmp_path / "m", "--config", settings, "--sampling", "balanced", "--groups",
        "tumor_[0-9]+", "--average-from", 0.5, "--feature-cache", "--precision", "float32",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    used = load_checkpoint(tmp_path / "m.construct").training["identity"]["config"]
    assert (used["sampling"], used["average_from"], used["feature_cache"]) == ("balanced", 0.5, True)
    assert "cache_folder" not in used, "a path of this machine is nobody's business"
    assert any(cache.rglob("*.safetensors"))


def test_class_table_file(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    table = tmp_path / "classes.csv"
    table.write_text(
        "name,prompt,colour\ntumour,a nest of tumour cells,#FF0000\nlymphoid,lymphocytes,#0000FF\n"
    )
    result = invoke(
        camelyon / "train", "-o", tmp_path / "m", "--config", settings, "--epochs", 1, "--classes", table
    )
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "m.construct").classes[0].colour == "#FF0000"


def test_further_settings_and_classes_as_json(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    table = (
        '{"classes": [{"name": "tumour", "prompt": "islands", "colour": "#D55E00"}, {"name": "lymphoid"}]}'
    )
    further = '{"epochs": 3, "weights": {"distillation": 0}, "model": {"fusion_width": 8}}'
    output = tmp_path / "m.construct"
    result = invoke(
        camelyon / "train", "-o", output, "--config", settings, "--settings", further, "--epochs", 1,
        "--classes", table,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    checkpoint = load_checkpoint(output)
    config = checkpoint.training["identity"]["config"]
    assert (config["epochs"], config["weights"]["distillation"], config["weights"]["presence"]) == (1, 0, 0.3)
    assert (config["model"]["fusion_width"], config["model"]["prototype_width"]) == (8, 16)
    assert [c.prompt for c in checkpoint.classes] == ["islands", ""]
    for mistake in ("[1]", "{", '{"no_such": 1}'):
        result = invoke(camelyon / "train", "-o", output, "--settings", mistake, "--overwrite")
        assert result.exit_code != 0
        assert len(result.stderr.strip().splitlines()) == 1


def test_an_existing_file_is_not_replaced_unasked(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.construct"
    output.write_bytes(b"precious")
    result = invoke(camelyon / "train", "-o", output, "--config", settings)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert output.read_bytes() == b"precious"
    assert invoke(camelyon / "train", "-o", output, "--config", settings, "--overwrite").exit_code == 0
    assert load_checkpoint(output).training["finished"] is True


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["absent"], "absent: expected a folder of patches"),
        (["{train}", "--val", "absent"], "absent: expected"),
        (["{train}", "--classes", "tumour,stroma"], "stroma"),
        (["{train}", "--encoder", "no-such"], "no-such"),
        (["{train}", "--config", "absent.yaml"], "absent.yaml"),
        (["{train}", "--image-size", "100"], "multiple of 32"),
        (["{train}", "--resume"], "without resume"),
        (["{train}", "--finish"], "add --resume"),
        (["{train}", "--patience", "2"], "validation data with patience"),
        (["{train}", "--sampling", "fair"], "sampling"),
        (["{train}", "--sampling", "balanced", "--groups", "nobody"], "nobody"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    camelyon: Path, settings: Path, tmp_path: Path, arguments: list[str], match: str
) -> None:
    output = tmp_path / "out" / "m.construct"
    filled = [a.replace("{train}", str(camelyon / "train")) for a in arguments]
    if "--config" not in filled:
        filled += ["--config", str(settings)]
    result = invoke(*filled, "-o", output)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert match in errors[0]
    assert not output.parent.exists() or list(output.parent.iterdir()) == []


def test_unreadable_patches_are_named_before_training(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "patches"
    for source in (camelyon / "train").rglob("*.png"):
        target = folder / source.relative_to(camelyon / "train")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    broken = next(folder.rglob("*.png"))
    broken.write_bytes(broken.read_bytes()[:1000])
    result = invoke(folder, "-o", tmp_path / "m", "--config", settings)
    assert result.exit_code == 2
    assert f"unreadable: {broken.relative_to(folder).as_posix()}" in result.stdout
    assert broken.name in result.stderr
    assert not (tmp_path / "m.construct").exists()


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (["a[10].png", "b.png"], "b.png"),
        (["a[00].png", "b[00].png"], "at least one patch with a class"),
        (["a[10].png", "b[100].png"], "[100]"),
    ],
)
def test_bad_labels_in_names(
    camelyon: Path, settings: Path, tmp_path: Path, names: list[str], match: str
) -> None:
    folder = tmp_path / "patches"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(next((camelyon / "train").rglob("*.png")).read_bytes())
    result = invoke(folder, "-o", tmp_path / "m", "--config", settings)
    assert result.exit_code == 2
    assert match in result.stderr
    assert not (tmp_path / "m.construct").exists()


def test_finish_makes_a_model_of_an_interrupted_run(
    camelyon: Path, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (camelyon / "train", "-o", tmp_path / "m", "--config", settings, "--epochs", 9)

    def interrupted(steps):
        for _ in range(20):
            next(steps)
        steps.close()
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch:
        patch.setattr("napari_construct.cli.train.interruptible", interrupted)
        assert invoke(*arguments).exit_code == 130
    result = invoke(*arguments, "--resume", "--finish")
    assert result.exit_code == 0, result.output
    assert "(stopped after step " in result.stdout
    training = load_checkpoint(tmp_path / "m.construct").training
    assert training["finished"]
    assert training["epoch"] < 9
    assert not (tmp_path / "m.construct.training").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.slow
def test_ctrl_c_keeps_the_state_and_resume_goes_on(camelyon: Path, settings: Path, tmp_path: Path) -> None:
    script = (
        "import typer; from napari_construct.cli._errors import OneLineErrors; "
        "from napari_construct.cli.train import train; app = typer.Typer(cls=OneLineErrors); "
        "app.callback()(lambda: None); app.command('train')(train); app()"
    )
    output = tmp_path / "m.construct"
    command = [
        sys.executable, "-c", script, "train", str(camelyon / "train"), "-o", str(output), "--config",
        str(settings), "--epochs", "60", "--device", "cpu",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):
            if output.exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "cancelled" in errors
    assert output.with_name("m.construct.training").exists()
    reached = load_checkpoint(output).training["epoch"]
    assert reached < 60
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert load_checkpoint(output).training["epoch"] == 60
    assert not output.with_name("m.construct.training").exists()
