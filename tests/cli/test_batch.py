from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConfigurationError


@pytest.fixture
def images(image, tmp_path) -> Path:
    """Twelve regions and a broken file."""
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = read_image(image).pixels
    for i in range(12):
        Image.fromarray(np.roll(pixels, 20 * i, 0)).save(folder / f"region_{i:02d}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_batch_and_its_json(call, images, model, tmp_path) -> None:
    out = tmp_path / "out"
    few = [images / "region_00.png", images / "broken.png"]
    done = call("batch", *few, "-m", model, "-o", out, "--no-crf", "--outputs", "mask,zarr", "--json", "-")
    assert done.exit_code == 1, done.output
    items = json.loads(done.stdout)["items"]
    assert [item["state"] for item in items] == ["done", "failed"]
    assert "broken.png" in items[1]["error"]
    assert Path(items[0]["files"]["zarr"]).is_dir()
    wrong = call("batch", *few, "-m", model, "-o", out, "--outputs", "pdf")
    assert wrong.exit_code == 2
    assert "mask, overlay, cams, zarr" in wrong.stderr


def test_settings_as_json_reach_the_result(call, image, model, tmp_path) -> None:
    given = json.dumps(
        {"crf": None, "min_confidence": 0.55, "background": {"enabled": False}, "protect_confidence": 0.9}
    )
    for command in ("batch", "segment"):
        done = call(command, image, "-m", model, "-o", tmp_path / command, "--settings", given)
        assert done.exit_code == 0, done.output
    one, other = (read_mask(tmp_path / c / "region_mask.tif") for c in ("batch", "segment"))
    np.testing.assert_array_equal(one, other)
    record = json.loads((tmp_path / "segment" / "region.json").read_text(encoding="utf-8"))
    assert record["settings"]["background"]["enabled"] is False
    assert record["settings"]["protect_confidence"] == 0.9
    wrong = call("segment", image, "-m", model, "-o", tmp_path, "--settings", '{"crff": 1}')
    assert wrong.exit_code == 2
    assert "crff" in wrong.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_note_on_many_images_appears_once_with_their_number(call, images, model, tmp_path) -> None:
    folder = tmp_path / "alpha"
    folder.mkdir()
    for path in sorted(images.glob("region_0*"))[:3]:
        with Image.open(path) as picture:
            picture.convert("RGBA").crop((0, 0, 128, 128)).save(folder / path.name)
    done = call("batch", folder, "-m", model, "-o", tmp_path / "out", "--no-crf", "--outputs", "mask")
    assert done.exit_code == 0, done.output
    notes = [line for line in done.stderr.splitlines() if "alpha" in line]
    first = "note: region_00.png: the alpha channel is dropped"
    assert notes == [first, f"{first} (and 2 more images)"]


def test_resumes_after_a_kill(call, images, model, tmp_path) -> None:
    out = tmp_path / "out"
    words = ["batch", str(images), "-m", str(model), "-o", str(out), "--no-crf"]
    code = "from napari_construct.cli import app; app()"
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end and not list(out.glob("*_mask.tif")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {e.key for e in read_ledger(out / LEDGER_NAME)[1].values() if e.state == "done"}
    times = {path: path.stat().st_mtime_ns for path in out.glob("*_mask.tif")}
    done = call(*words)
    assert done.exit_code == 1
    assert "12 of 13 done" in done.stdout
    assert "broken.png" in done.stderr
    resumed = [path for path, stamp in times.items() if path.stat().st_mtime_ns == stamp]
    assert len(resumed) == len(before)


def test_ledger_written_by_hand_is_refused(tmp_path) -> None:
    path = tmp_path / LEDGER_NAME
    path.write_text('{"version": 1}\n{"key": 1, "areas": 5}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="move it away"):
        read_ledger(path)


def test_foreign_files_are_kept_without_overwrite(call, images, model, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    theirs = out / "region_01.json"
    theirs.write_text('{"type": "FeatureCollection"}', encoding="utf-8")
    few = [images / "region_00.png", images / "region_01.png"]
    words = ("batch", *few, "-m", model, "-o", out, "--no-crf", "--outputs", "mask")
    done = call(*words)
    assert done.exit_code == 2
    assert str(theirs) in done.stderr
    assert "--overwrite" in done.stderr
    assert list(out.iterdir()) == [theirs]
    assert theirs.read_text(encoding="utf-8") == '{"type": "FeatureCollection"}'
    done = call(*words, "--overwrite")
    assert done.exit_code == 0, done.output
    assert "areas" in json.loads(theirs.read_text(encoding="utf-8"))
    again = call(*words, "--restart")
    assert again.exit_code == 0, again.output


def test_a_folder_of_others_is_never_deleted(call, image, model, tmp_path) -> None:
    chunk = tmp_path / "region.ome.zarr" / "0" / "0.0.0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"only copy")
    words = ("batch", image, "-m", model, "-o", tmp_path, "--no-crf", "--outputs", "zarr")
    for more in ((), ("--overwrite",)):
        done = call(*words, *more)
        assert done.exit_code == 2
        assert "region.ome.zarr" in done.stderr
        assert "never deletes" in done.stderr
    assert chunk.read_bytes() == b"only copy"
    assert not (tmp_path / LEDGER_NAME).exists()
