"""The memory that is promised before the work is not exceeded."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.overlay import overlay
from napari_construct.inference.activation import memory
from napari_construct.inference.activation.memory import check_result_size, needed_bytes

_MEASURE = """
import resource, sys
import numpy as np
from napari_construct.inference.activation.memory import _PROGRAM, needed_bytes
from napari_construct.inference.segment import segment
from tests.inference.conftest import ColourPredictor, checkpoint

side, mpp, crf = int(sys.argv[1]), float(sys.argv[2]), {"iterations": 2} if sys.argv[3] == "crf" else None
predictor = ColourPredictor(checkpoint())
image = np.random.default_rng(0).integers(60, 250, (side, side, 3), dtype=np.uint8)
image = np.repeat(np.repeat(image[:64, :64], side // 64, 0), side // 64, 1)
segment(image[:256, :256], predictor, mpp=0.5, crf=crf)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
segment(image, predictor, mpp=mpp, crf=crf)
seen = round(side * mpp / 0.5)
print(peak() - before, needed_bytes((side, side), 3, (seen, seen), grid=0.5) - _PROGRAM)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted in other units elsewhere")
@pytest.mark.parametrize(("side", "mpp", "crf"), [(768, 4.0, "plain"), (640, 0.5, "crf")])
def test_a_segmentation_stays_below_what_is_promised(root, side: int, mpp: float, crf: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(side), str(mpp), crf],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    used, promised = map(int, done.stdout.split())
    assert used < promised + 2**26  # what an allocator keeps


def test_an_overlay_takes_no_floating_point_copies_of_the_image() -> None:
    image, labels = np.full((1500, 1000, 3), 200, np.uint8), np.ones((1500, 1000), np.uint8)
    tracemalloc.start()
    try:
        overlay(image, labels, ClassTable.from_names(("a", "b")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * labels.size


def test_an_enlarged_image_is_judged_by_its_size_at_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 4 * 2**30)
    check_result_size((2400, 2400), 2, "a.tif")
    words = r"fits into 3\.0 GiB, got 2400 x 2400 pixels \(24000 x 24000 for the model\)"
    with pytest.raises(InputError, match=words) as said:
        check_result_size((2400, 2400), 2, "a.tif", (24000, 24000))
    side = int(str(said.value).split()[-2])
    assert needed_bytes((side, side), 2, (10 * side, 10 * side)) <= 3 * 2**30
    check_result_size((side, side), 2, "a.tif", (10 * side, 10 * side))


def test_small_images_go_on_small_machines_and_in_containers(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path / "memory.max")
    whole = memory.physical_memory()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.physical_memory() == whole
    (tmp_path / "memory.max").write_text(f"{2 * 2**30}\n")
    assert memory.physical_memory() == min(whole, 2 * 2**30)
    check_result_size((512, 512), 4, "a.tif")
    with pytest.raises(InputError, match=r"cut out a region"):
        check_result_size((8000, 8000), 4, "a.tif")
