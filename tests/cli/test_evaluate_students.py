"""``napari-construct evaluate`` of students on one channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_construct.crossmodal.phantom import phantom
from napari_construct.models.checkpoints.channel_checkpoint import (
    channel_checkpoint_of,
    save_channel_checkpoint,
)
from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained; what it finds does not matter here."""
    network = build_channel_unet(ChannelUNetConfig(encoder="mobilenet_v3", channels=("nuclear",)))
    return save_channel_checkpoint(tmp_path_factory.mktemp("student") / "s", channel_checkpoint_of(network))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for seed in range(2):
        made = phantom(seed, (64, 64))
        tifffile.imwrite(folder / "images" / f"p{seed}.tif", made.channels[0])
        tifffile.imwrite(folder / "labels" / f"p{seed}.tif", made.instances.astype(np.uint16))
    return folder


def test_files_and_tables_hold_the_same_numbers(
    call: Call, student: Path, cells: Path, tmp_path: Path
) -> None:
    files = {kind: tmp_path / f"scores.{kind}" for kind in ("json", "markdown", "html")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    stored = ["--teacher", cells / "labels"]
    done = call("evaluate", cells, "-m", student, "--baseline", _copy(student, tmp_path), *stored, *options)
    assert done.exit_code == 0, done.output
    found = json.loads(files["json"].read_text(encoding="utf-8"))
    assert found["teacher"]["pooled"]["dice"] == 1
    score = f"{100 * found['rows'][0]['pooled']['dice']:.2f}"
    for text in (done.stdout, *(files[k].read_text(encoding="utf-8") for k in ("markdown", "html"))):
        assert score in text
        assert "+0.00" in text, "the baseline is the student itself"


def test_what_is_refused(call: Call, student: Path, cells: Path, model: Path) -> None:
    for options, said in (
        (("-m", student, "-m", model), "models of one kind"),
        (("-m", model, "--baseline", student), "models of one kind"),
        (("-m", model, "--baseline", model), "--baseline with students"),
        (("-m", student, "--crf", "--ignore", "2"), "--ignore, --crf"),
        (("-m", model, "--channel", "0"), "got --channel"),
        ((cells, "-m", student), "holds both"),
        (("-m", student, "--weights", model), "--weights with --teacher"),
    ):
        done = call("evaluate", cells, *options)
        assert done.exit_code == 2, options
        assert said in " ".join(done.stderr.split()), done.stderr


def _copy(model: Path, folder: Path) -> Path:
    path = folder / "again.construct"
    path.write_bytes(model.read_bytes())
    return path
