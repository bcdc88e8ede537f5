"""The commands ``distill`` and ``segment`` with a student, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from napari_construct.cli import app
from napari_construct.crossmodal.phantom import phantom
from napari_construct.models.checkpoints.channel_checkpoint import load_channel_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of two named channels, with their cells."""
    root = tmp_path_factory.mktemp("cells")
    for part in ("images", "labels"):
        (root / part).mkdir()
    for seed in range(8):
        made = phantom(seed, (64, 64))
        tifffile.imwrite(
            root / "images" / f"f{seed}.ome.tif",
            made.channels,
            metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "E-cadherin"]}},
        )
        tifffile.imwrite(root / "labels" / f"f{seed}.tif", made.instances.astype(np.uint16))
    return root


QUICK = ("--student", "mobilenet_v3", "--batch-size", 2, "--patch", 32, "--device", "cpu", "--no-cache")


def invoke(*args: object) -> Result:
    return CliRunner().invoke(app, [*map(str, args)])


@pytest.fixture(scope="module")
def teacher(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("teacher") / "teacher.construct"
    result = invoke("distill", folder, "--train-teacher", "-o", output, "--steps", 2, *QUICK)
    assert result.exit_code == 0, result.output
    return output


def test_from_a_teacher_to_a_student_to_cells(folder: Path, teacher: Path, tmp_path: Path) -> None:
    assert load_channel_checkpoint(teacher).channels == ("nuclear", "membrane")
    student, report = tmp_path / "student.construct", tmp_path / "run.json"
    result = invoke(
        "distill", folder, "--teacher", teacher, "-o", student, "--channel", "DAPI", "--steps", 6,
        "--terms", "probability,truth", "--truth-images", 4, "--json", report, *QUICK,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    said = json.loads(report.read_text())
    assert said["channels"] == ["nuclear"]
    assert {"probability", "truth", "val_dice", "recovery"} <= said["metrics"].keys()
    assert "boundary" not in said["metrics"]
    stored = load_channel_checkpoint(student)
    assert stored.training["images_with_truth"] == 4
    image = folder / "images" / "f0.ome.tif"
    out = tmp_path / "out"
    result = invoke("segment", image, "-m", student, "-o", out, "--device", "cpu")
    assert result.exit_code == 0, result.output
    record = json.loads((out / "f0.json").read_text())
    assert record["input"]["channel"] == "DAPI"
    cells = tifffile.imread(out / "f0_cells.tif")
    assert int(cells.max()) == record["cells"]
    assert len((out / "f0_cells.csv").read_text().splitlines()) == 1 + record["cells"]
    assert (tifffile.imread(out / "f0_mask.tif") == (cells > 0)).all()


def test_maps_of_several_classes_are_a_teacher(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for path in sorted((folder / "labels").iterdir()):
        cells = (tifffile.imread(path) > 0).astype(np.float32)
        maps = np.stack([0.4 * cells, 0.5 * cells, 0.1 * cells, 1 - cells, 0 * cells], axis=-1)
        np.save(tmp_path / "maps" / f"{path.stem}_Probabilities.npy", maps)
    args = ("distill", folder, "-o", tmp_path / "s.construct", "--steps", 1, "--teacher", tmp_path / "maps")
    result = invoke(*args, *QUICK)
    assert result.exit_code == 2
    assert "which of 5 channels are foreground" in " ".join(result.output.split())
    result = invoke(*args, "--teacher-foreground", "0,1,2", *QUICK)
    assert result.exit_code == 0, result.output
    said = load_channel_checkpoint(tmp_path / "s.construct").metrics
    assert said["teacher_dice"] == pytest.approx(1)


def test_the_baseline_and_resuming_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "plain.construct"
    args = ("distill", folder, "--no-kd", "-o", output, "--steps", 2, *QUICK)
    assert invoke(*args).exit_code == 0
    refused = invoke(*args)
    assert refused.exit_code == 2
    assert "expected a new file" in refused.output
    again = invoke(*args, "--resume")  # complete already
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "expected a teacher, got none"),
        (("--teacher", "sam_vit_x"), "expected a teacher"),
        (("--no-kd", "--terms", "truth"), "got several of them"),
        (("--no-kd", "--channel", "GFP"), "DAPI"),
        (("--no-kd", "--student", "vgg"), "student"),
        (("--no-kd", "--finish"), "--resume"),
        (("--teacher", "cellsam", "--teacher-foreground", "0"), "with a folder of maps"),
        (("--teacher", "precomputed", "--teacher-foreground", "nuclei"), "expected numbers of channels"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(
    folder: Path, tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    result = invoke("distill", folder, "-o", tmp_path / "x.construct", "--steps", 1, *args)
    assert result.exit_code == 2
    assert said in result.output
    assert not list(tmp_path.iterdir())


def test_files_of_channels_give_the_student_of_files_of_all(folder: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    (split / "images").mkdir(parents=True)
    (split / "labels").symlink_to(folder / "labels")
    for path in sorted((folder / "images").iterdir()):
        for word, channel in zip(("DAPI", "mem"), tifffile.imread(path), strict=True):
            tifffile.imwrite(split / "images" / f"{path.name.split('.')[0]}_{word}.tif", channel)
    weights = []
    for root, more in ((folder, ()), (split, ("--channel-files", "DAPI,mem"))):
        output = tmp_path / f"{len(weights)}.construct"
        result = invoke("distill", root, "--no-kd", "-o", output, "--steps", 1, *QUICK, *more)
        assert result.exit_code == 0, result.output
        weights.append(load_channel_checkpoint(output).state)
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    (split / "images" / "f3_mem.tif").unlink()
    args = ("distill", split, "--no-kd", "-o", tmp_path / "x.construct", "--channel-files", "DAPI,mem")
    result = invoke(*args)
    assert result.exit_code == 2
    assert "expected f3_mem.tif as another channel of f3_DAPI.tif" in " ".join(result.output.split())


def test_options_of_the_other_kind_of_model_are_refused(folder: Path, teacher: Path, tmp_path: Path) -> None:
    image = folder / "images" / "f0.ome.tif"
    result = invoke("segment", image, "-m", teacher, "-o", tmp_path, "--views", "four", "--ood-map")
    assert result.exit_code == 2
    assert "--views, --ood-map" in result.output
    result = invoke("segment", image, "-m", "lymph-node", "-o", tmp_path, "--channel", "DAPI")
    assert result.exit_code == 2
    assert "takes colour images" in result.output
