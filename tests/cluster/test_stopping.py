"""Ctrl-C and SIGTERM end a command with workers, and those, and the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from napari_construct.cli._interrupt import orderly_end
from napari_construct.cluster.interrupts import without_interrupts
from napari_construct.data.images import read_image
from napari_construct.types import RGBImage

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals to groups of processes")

QUICK = ["--tile", "256", "--overlap", "64", "--device", "cpu", "--no-crf"]


def with_interrupts() -> None:
    """As in a terminal: a shell in the background hands on that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begun(command: list[str]) -> subprocess.Popen[str]:
    """A command in a group of its own, as a shell begins it."""
    return subprocess.Popen(
        [sys.executable, "-m", "napari_construct", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=with_interrupts,  # noqa: PLW1509 - it sets a signal and nothing else
    )


def stopped(process: subprocess.Popen[str], number: int) -> str:
    """What a command said; neither it nor a process that it began is there ten seconds after the signal."""
    others = psutil.Process(process.pid).children(recursive=True)
    assert len([one for one in others if "spawn_main" in " ".join(one.cmdline())]) == 2
    os.killpg(process.pid, number)
    try:
        said = process.communicate(timeout=20)[0]
        _, left = psutil.wait_procs(others, timeout=5)
        assert not left
    finally:
        for one in (process, *others):
            if one.poll() is None if isinstance(one, subprocess.Popen) else one.is_running():
                one.kill()
    return said


def waited(process: subprocess.Popen[str], seen: str, folder: Path, count: int = 1) -> None:
    """Until so many files that match are there."""
    end = time.monotonic() + 200
    while len([p for p in folder.glob(seen) if '"done": 0}' not in p.read_text("latin-1")]) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def tissue(camelyon: Path) -> RGBImage:
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return read_image(path).pixels


@pytest.mark.slow
def test_a_slide_goes_on_after_ctrl_c(tissue: RGBImage, tmp_path: Path) -> None:
    slide, out = tmp_path / "slide.tif", tmp_path / "out"
    options: dict[str, Any] = {
        "tile": (256, 256),
        "resolution": (40000, 40000),
        "resolutionunit": "CENTIMETER",
    }
    tifffile.imwrite(slide, np.tile(tissue, (24, 16, 1)), photometric="rgb", compression="zlib", **options)
    command = ["segment", str(slide), "-o", str(out), "--whole-slide", *QUICK]
    process = begun([*command, "--workers", "2"])
    waited(process, ".*.maps/progress.json", out)
    said = stopped(process, signal.SIGINT)
    assert (process.returncode, said.strip()) == (130, "cancelled")
    done = json.loads((out / ".slide.maps" / "progress.json").read_text(encoding="utf-8"))["done"]
    assert done > 0
    again = begun(command)
    assert "1 of 1 segmented" in again.communicate(timeout=200)[0]
    assert again.returncode == 0
    assert (out / "slide.json").exists()


@pytest.mark.slow
def test_a_batch_goes_on_after_it_was_terminated(tissue: RGBImage, tmp_path: Path) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(np.tile(np.roll(tissue, 20 * number, 0), (2, 2, 1))).save(folder / f"{number}.png")
    command = ["batch", str(folder), "-o", str(out), "--mpp", "0.5", *QUICK]
    process = begun([*command, "--workers", "2"])
    waited(process, "*_mask.tif", out, 3)  # an image counts as done a moment after its mask is there
    said = stopped(process, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    again = begun(command)
    said = again.communicate(timeout=200)[0]
    assert again.returncode == 0, said
    assert "in an earlier run)" in said


def test_what_begins_without_interrupts_gets_none() -> None:
    with without_interrupts():
        program = "print('up', flush=True); import time; time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-S", "-c", program], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        child.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
    finally:
        child.kill()
        child.communicate()


def test_an_interrupt_of_this_process_comes_later() -> None:
    steps: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it comes is the point
        with without_interrupts():
            signal.raise_signal(signal.SIGINT)
            steps.append("block")
        steps.append("after")
    signal.signal(signal.SIGINT, before)
    assert steps == ["block"]


def test_sigterm_leaves_the_blocks_on_the_way_out() -> None:
    before, steps = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(SystemExit) as told, orderly_end():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            steps.append("left")
    assert told.value.code == 143
    assert steps == ["left"]
    assert signal.getsignal(signal.SIGTERM) is before
