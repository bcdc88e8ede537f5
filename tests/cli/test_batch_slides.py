"""Slides in the command batch: two runs in one folder, a killed one, a dry run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.large_slides import write_large_slide

from napari_construct.data.images import read_image
from napari_construct.export.locks import FOLDER_LOCK
from napari_construct.export.own_files import is_own
from napari_construct.results.stored_pyramid import open_pyramid

CODE = "from napari_construct.cli import app; app()"


@pytest.fixture
def slides(image: Path, tmp_path: Path) -> Path:
    """A slide of 105 megapixels, an image, and a text."""
    folder = tmp_path / "slides"
    folder.mkdir()
    pixels = read_image(image).pixels
    Image.fromarray(pixels).save(folder / "a.png")
    write_large_slide(folder / "b.tif", pixels, mpp=0.5)
    (folder / "c.svs").write_text("no slide", encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_two_runs_in_one_folder_and_a_killed_one(call, slides: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["batch", str(slides), "-m", str(model), "-o", str(out), "--no-crf", "--tile", "128"]
    first = subprocess.Popen([sys.executable, "-c", CODE, *words], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end and not list(out.glob(".*.maps/progress.json")):
            time.sleep(0.01)
            assert first.poll() is None
        os.kill(first.pid, signal.SIGSTOP)  # at work for as long as is looked at it
        second = call(*words)
        assert second.exit_code == 2
        said = " ".join(second.stderr.split())
        assert f"no other run is writing to, got one that process {first.pid} on " in said
        assert "has been using since" in said
        assert "wait until it ends, stop it, or choose another output" in said
        look = call(*words, "--dry-run")
        assert f"process {first.pid}" in look.stderr
        assert (out / FOLDER_LOCK).exists()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert (out / FOLDER_LOCK).exists()  # stale
    assert not open_pyramid(out / "b_mask.ome.zarr").complete
    look = call(*words, "--dry-run", "--json", "-")
    found = {Path(item["item"]).name: item for item in json.loads(look.stdout)["items"]}
    assert {name: item["action"] for name, item in found.items()} == {
        "a.png": "skip", "b.tif": "go on", "c.svs": "fail"
    }  # fmt: skip
    done = call(*words)
    assert done.exit_code == 1
    assert "2 of 3 done (1 in an earlier run), 1 failed" in done.stdout
    assert "over all: tumour " in done.stdout
    assert open_pyramid(out / "b_mask.ome.zarr").complete
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert is_own(out / "batch_summary.csv")


def test_a_dry_run_says_all_and_writes_nothing(call, slides: Path, model: Path, tmp_path: Path) -> None:
    done = call("batch", slides, "-m", model, "-o", tmp_path / "out", "--dry-run")
    assert done.exit_code == 1
    assert not (tmp_path / "out").exists()
    lines = (done.stdout + done.stderr).splitlines()
    assert any(
        line.startswith(f"segment: {slides / 'b.tif'} (slide, tiff, 10240 x 10240 pixels, 0.5 um,")
        for line in lines
    )
    assert any(" tiles with tissue)" in line for line in lines)
    assert any(
        line.startswith(f"segment: {slides / 'a.png'} (image, 256 x 256 pixels, mpp unknown)")
        for line in lines
    )
    assert any(line.startswith(f"fail: {slides / 'c.svs'} (slide); expected a slide") for line in lines)
    assert any("2 of 3 to do (1 slides, 0 of them begun)" in line for line in lines)


def test_a_dry_run_refuses_what_the_run_would(call, slides: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    theirs = out / "b_mask.ome.zarr"
    theirs.mkdir()
    (theirs / "only copy").write_text("", encoding="utf-8")
    for more in ([], ["--dry-run"]):
        done = call("batch", slides, "-m", model, "-o", out, *more)
        assert done.exit_code == 2
        assert "b_mask.ome.zarr" in done.stderr
    assert [path.name for path in out.iterdir()] == ["b_mask.ome.zarr"]
