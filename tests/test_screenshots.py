"""The pictures of the documentation can be taken again: a whole session of napari, as a user has one.

This found a segmentation fault that no test in this process did, because each of those has a fresh viewer
in an interpreter that loaded everything long ago.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.usefixtures("qapp")  # its display
def test_pictures_are_taken(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "scripts" / "screenshots.py", "--only", "evaluate", "--output", tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dark, light = (imread(tmp_path / name)[..., :3] for name in ("evaluate.png", "evaluate_light.png"))
    assert dark.shape == light.shape
    assert min(dark.shape[:2]) > 700
    assert np.median(dark) < 100 < 150 < np.median(light)
