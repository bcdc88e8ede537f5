"""Whole slides from a file to a pyramid, also after a run that was stopped or killed."""

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
import tifffile
import zarr

from napari_construct import load_model, segment_slide
from napari_construct.data.slides.slide import open_slide
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.locks import remove_abandoned
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.segment import segment_slide_steps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model() -> Predictor:
    loaded = load_model("lymph-node")
    assert isinstance(loaded, Predictor)
    return loaded


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory, tissue: np.ndarray) -> Path:
    """A tiled pyramid of 1536 x 1280 px at 0.25 um with tissue in its upper left and glass elsewhere."""
    image = np.full((1536, 1280, 3), 247, np.uint8)
    image[128:896, 64:832] = np.tile(tissue, (3, 3, 1))
    path = tmp_path_factory.mktemp("slides") / "slide.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        scale = {"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
        file.write(image, subifds=1, **options, **scale)
        file.write(image[::2, ::2], subfiletype=1, **options)
    return path


def level(folder: Path, number: int = 0) -> np.ndarray:
    return np.asarray(zarr.open_group(folder / "labels/tissue", mode="r")[str(number)][:])


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_slide_is_segmented_as_its_image_is(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    result = segment_slide(slide_file, model, folder=tmp_path)
    labels = level(result.path)
    with open_slide(slide_file) as slide:
        image = slide.region(0, 0, *slide.shape, at=0.5)
    expected = run(segment_steps(image, model, SegmentSettings(), mpp=0.5))
    assert labels.shape == image.shape[:2] == (768, 640)
    assert (labels == expected.labels).mean() >= 0.999
    record = json.loads((tmp_path / "slide.json").read_text(encoding="utf-8"))
    assert record["presence"]["tumour"]["present"] == expected.presence[0]
    for row, area in zip(record["areas"], expected.areas(), strict=True):
        assert row["pixels"] == int((labels == 1 + model.classes.names.index(row["class"])).sum())
        assert row["mm2"] == pytest.approx(area["mm2"], rel=0.01, abs=1e-4)
        assert row["percent_of_tissue"] == pytest.approx(area["percent_of_tissue"], abs=1)
    assert record["coverage"] < 0.5
    assert (tmp_path / "slide_overlay.png").exists()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["slide.json", "slide_areas.csv", "slide_mask.ome.zarr", "slide_overlay.png"]


def test_a_stopped_run_goes_on_to_the_same_bytes(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    with open_slide(slide_file) as slide:
        for stop in (2, 5):
            steps = segment_slide_steps(slide, model, folder=tmp_path / str(stop))
            for _ in range(stop):
                next(steps)
            steps.close()
            (maps,) = (tmp_path / str(stop)).glob(".*maps")
            os.utime(maps, (0, 0))
            remove_abandoned(tmp_path / str(stop))  # as other runs do that write into this folder
            assert next(maps.glob("*.raw")).exists()
            run(segment_slide_steps(slide, model, folder=tmp_path / str(stop)))
        run(segment_slide_steps(slide, model, folder=tmp_path / "once"))
    once = content(tmp_path / "once" / "slide_mask.ome.zarr")
    for stop in (2, 5):
        assert content(tmp_path / str(stop) / "slide_mask.ome.zarr") == once


def test_a_killed_run_goes_on(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    code = (
        "import sys, napari_construct as n; print('ready', flush=True);"
        "n.segment_slide(sys.argv[1], folder=sys.argv[2],"
        "progress=lambda e: print(e.stage, e.done, flush=True))"
    )
    for number, wait_for in enumerate(("tiles 1", "refine 0")):
        folder = tmp_path / f"killed{number}"
        command = [sys.executable, "-c", code, str(slide_file), str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith(wait_for):
                    time.sleep(0.02 * number)
                    child.send_signal(signal.SIGKILL)
                    break
            child.stdout.read()
        assert child.returncode == -signal.SIGKILL
        assert not (folder / "slide.json").exists()
        segment_slide(slide_file, model, folder=folder)
    segment_slide(slide_file, model, folder=tmp_path / "once")
    once = content(tmp_path / "once" / "slide_mask.ome.zarr")
    assert all(content(tmp_path / f"killed{i}" / "slide_mask.ome.zarr") == once for i in range(2))


def test_probabilities_are_stored_on_request(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    result = segment_slide(slide_file, model, folder=tmp_path, probabilities=True, crf=None)
    stored = np.asarray(zarr.open_group(result.path / "probabilities", mode="r")["0"][:])
    labels = level(result.path)
    assert stored.shape == (2, *labels.shape)
    assert stored.dtype == np.uint8
    some = labels > 0
    assert (stored.argmax(0)[some] + 1 == labels[some]).mean() > 0.99
    assert not stored[:, ~some].any()


def test_unknown_resolution_is_asked_for(tmp_path: Path, model: Predictor) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.full((512, 512, 3), 200, np.uint8), tile=(256, 256), photometric="rgb")
    with pytest.raises(InputError, match="expected micrometres per pixel"):
        segment_slide(path, model, folder=tmp_path / "out")
    assert segment_slide(path, model, folder=tmp_path / "out", mpp=0.5).record["input"]["mpp"] == 0.5


def test_files_of_others_are_not_replaced(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    theirs = tmp_path / "slide.json"
    theirs.write_text('{"mine": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"slide\.json"):
        segment_slide(slide_file, model, folder=tmp_path)
    assert theirs.read_text(encoding="utf-8") == '{"mine": 1}'
    assert list(tmp_path.iterdir()) == [theirs]


def test_a_finished_slide_is_segmented_again(slide_file: Path, model: Predictor, tmp_path: Path) -> None:
    first = segment_slide(slide_file, model, folder=tmp_path, crf=None)
    again = segment_slide(slide_file, model, folder=tmp_path, crf=None)
    assert first.areas == again.areas
