"""A kill while a result is replaced never leaves a file that is read with other classes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal, of forked processes")


@pytest.mark.parametrize(
    ("tries", "seed"), [(40, 1), pytest.param(2000, 2, marks=[pytest.mark.faults, pytest.mark.timeout(1200)])]
)
def test_classes_are_never_swapped(tmp_path: Path, tries: int, seed: int) -> None:
    program = Path(__file__).with_name("kill_writes.py")
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "out"), str(tries), str(seed)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts.get("wrong", 0) == 0
    assert counts.get("gone", 0) == 0, "the place of a file is never empty"
    assert counts["whole"] + counts.get("without record", 0) == tries
    assert counts["left behind"] == 0
