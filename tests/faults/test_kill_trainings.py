"""Trainings that are killed and resumed, beside rivals, end with the weights of one that ran in peace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal, of forked processes")
def test_kills_and_rivals(camelyon: Path, root: Path, tmp_path: Path) -> None:
    path = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    program = Path(__file__).with_name("kill_trainings.py")
    done = subprocess.run(
        [sys.executable, str(program), str(camelyon / "train"), str(tmp_path), "15", "3"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)},
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts.get("lost", 0) == 0
    assert counts["equal"] == 15
    assert counts["killed"] > 10
    assert counts["left behind"] == 0
