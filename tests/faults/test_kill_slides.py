"""Slides whose segmentation was killed at random moments, beside rivals, have the bytes of a run in peace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal, of forked processes")


@pytest.mark.parametrize(
    ("tries", "seed"), [(4, 1), pytest.param(60, 2, marks=[pytest.mark.faults, pytest.mark.timeout(1200)])]
)
def test_kills_and_rivals(tmp_path: Path, tries: int, seed: int) -> None:
    program = Path(__file__).with_name("kill_slides.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(tries), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts["killed"] >= tries
    assert counts.get("other", 0) == 0, done.stderr
