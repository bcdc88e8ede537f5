"""benchmarks/crossmodal.py as it is called, with two steps a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "crossmodal.py"
PAIRS = Path(__file__).parents[2].parent / "shared" / "data" / "pairs" / "imc_15rois"
FEW = ("--steps", "2", "--batch-size", "2", "--patch", "32")
SMALL = (
    "--images",
    "3",
    "--test-images",
    "2",
    "--teacher-images",
    "2",
    "--size",
    "64",
    "--truth-images",
    "1",
)
OWN = ("--teacher-steps", "2", "--teacher-student", "mobilenet_v3")


def _called(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_phantom_rows_resume_and_make_the_table(tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    common = ("--work", tmp_path / "work", "--output", output)
    first = _called("phantom", *FEW, *SMALL, *OWN, *common)
    assert first.count("there already") == 0
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    seen = {line["variant"]: (line["images_with_truth"], line["images_taught"]) for line in lines}
    assert seen == {"no KD": ([1], [0]), "KD": ([1], [3])}
    kd = next(line for line in lines if line["variant"] == "KD")
    assert kd["recovery"] == pytest.approx(kd["scores"]["dice"] / kd["teacher_scores"]["dice"], abs=1e-3)
    output.write_text(output.read_text(encoding="utf-8") + '{"key": "cut', encoding="utf-8")
    again = _called("phantom", *FEW, *SMALL, *OWN, *common)
    assert again.count("there already") == 2
    table = _called("phantom", "--table", "--output", output)
    gain = kd["scores"]["dice"] - next(x["scores"]["dice"] for x in lines if x["variant"] == "no KD")
    assert f"{100 * gain:+.2f}" in table
    assert "cells of the formula" in table


@pytest.mark.slow
def test_regions_are_left_out_in_folds(tmp_path: Path) -> None:
    if not PAIRS.is_dir():
        pytest.skip(f"needs {PAIRS}")
    output = tmp_path / "rows.jsonl"
    _called("imc", PAIRS, *FEW, "--work", tmp_path / "work", "--output", output)
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["test_images"] for line in lines] == [15, 15], "every region is scored once"
    assert lines[1]["images_taught"] == [12] * 5
