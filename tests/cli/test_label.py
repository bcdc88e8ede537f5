"""``napari-construct label``: from an image to a folder that ``train`` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_construct.data.image_level import load_dataset
from napari_construct.labelling.session import LabelSession

Call = Callable[..., Any]
CUT = ("--side", "64", "--count", "4", "--mpp", "0.5", "--choice", "random", "--classes", "tumour,stroma")


def test_cut_label_in_a_table_merge_and_train(call: Call, image: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "to_label"
    ran = call("label", "cut", image, "-o", folder, *CUT, "--model", model, "--json", tmp_path / "cut.json")
    assert ran.exit_code == 0, ran.output
    assert f"4 patches of 1 image(s) in {folder}" in ran.output
    patches = json.loads((tmp_path / "cut.json").read_text())["patches"]
    assert len(patches) == 4
    assert all(len(patch["guess"]) == 2 for patch in patches)
    with LabelSession(folder) as session:
        assert [name for name, _ in sorted(session.guess(0))] == ["lymphoid", "tumour"]
        assert sorted(session.order("doubt")) == sorted(session.order("guess")) == [0, 1, 2, 3]
    mine = tmp_path / "mine.csv"
    with mine.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "tumour", "stroma"])
        writer.writerows([patch["file"], i % 2, 1 - i % 2] for i, patch in enumerate(patches))
        writer.writerow(["other.png", 1, 0])
    ran = call("label", "merge", folder, mine, "--json", "-")
    assert ran.exit_code == 0, ran.output
    assert "1 row(s) of the table say nothing of any patch (other.png)" in ran.stderr
    found = json.loads(ran.stdout)
    assert (found["changed"], found["labelled"], found["classes"]) == (4, 4, {"tumour": 2, "stroma": 2})
    ran = call("label", "status", folder)
    assert ran.output.strip() == "4 of 4 labelled: 2 tumour, 2 stroma"
    assert load_dataset(folder).labels.sum() == 4
    trained = tmp_path / "own.construct"
    options = ("--epochs", "1", "--batch-size", "2", "--encoder", "tiny", "--teacher", "none")
    ran = call("train", folder, "-o", trained, *options)
    assert ran.exit_code == 0, ran.output
    assert trained.is_file()


def test_a_failed_cut_leaves_nothing_and_a_second_one_is_refused(
    call: Call, image: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "to_label"
    ran = call("label", "cut", image, "-o", folder, *CUT, "--encoder", "x")
    assert ran.exit_code == 2
    assert call("label", "cut", image, "-o", folder, *CUT, "-m", tmp_path / "none.construct").exit_code == 2
    assert not list(folder.glob("*")) if folder.exists() else True
    assert call("label", "cut", image, "-o", folder, *CUT).exit_code == 0
    ran = call("label", "cut", image, "-o", folder, *CUT)
    assert ran.exit_code == 2
    assert "4 patches were cut into" in ran.output
    assert call("label", "status", tmp_path).exit_code == 2
