"""Batches that are killed, and started twice at once, end with the results of one that ran in peace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.images import read_image

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal, of forked processes")


@pytest.mark.parametrize(
    ("tries", "seed"), [(8, 1), pytest.param(150, 2, marks=[pytest.mark.faults, pytest.mark.timeout(1200)])]
)
def test_kills_and_rivals(camelyon: Path, tmp_path: Path, tries: int, seed: int) -> None:
    (image,) = (camelyon / "val" / "img").glob("*.png")
    pixels = read_image(image).pixels
    images = tmp_path / "images"
    images.mkdir()
    for i in range(6):
        Image.fromarray(np.roll(pixels, 40 * i, 0)[:128, :128]).save(images / f"{i}.png")
    (images / "broken.png").write_bytes((images / "0.png").read_bytes()[:2000])
    program = Path(__file__).with_name("kill_batches.py")
    done = subprocess.run(
        [sys.executable, str(program), str(images), str(tmp_path), str(tries), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    print(counts)
    assert counts.get("lost", 0) == 0
    assert counts["equal"] == 7
    assert counts["left behind"] == 0
    assert counts["killed"] > 0
