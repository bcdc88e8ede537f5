"""``batch`` with a student on one channel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.students import LOOSE, nuclei, save_student

from napari_construct.inference.cells.evidence import decide_again
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.results.read import load_result


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for seed, name in enumerate("ab"):
        Image.fromarray((nuclei(seed=seed) >> 4).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def test_batch_of_a_folder(call, images, student, tmp_path) -> None:
    options = ["--settings", json.dumps(LOOSE), "--channel", "0", "--json", tmp_path / "report.json"]
    found = call("batch", images, "-o", tmp_path / "out", "--model", student, *options)
    assert found.exit_code == 0, found.output
    assert "2 of 2 done" in found.output
    assert "batch_cells.csv" in found.output
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [set(item["files"]) for item in report["items"]] == [
        {"mask", "cams", "cells", "table", "record"}
    ] * 2
    stored = load_result(report["items"][1]["files"]["cells"])
    np.testing.assert_array_equal(
        stored.instances, segment_cells(images / "b.png", student, **LOOSE).instances
    )
    again = call("batch", images, "-o", tmp_path / "out", "--model", student, *options)
    assert "(2 in an earlier run)" in again.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--views", "four"], "--views"),
        (["--outputs", "mask,ood"], "got ood"),
        (["--settings", '{"crf": null}'], "CellSettings"),
    ],
)
def test_options_of_the_other_kind_are_refused(call, images, student, tmp_path, options, said) -> None:
    found = call("batch", images, "-o", tmp_path / "out", "--model", student, *options)
    assert found.exit_code == 2
    assert said in found.output
    assert "Traceback" not in found.output


def test_a_channel_with_a_model_of_stained_sections_is_refused(call, images, model, tmp_path) -> None:
    found = call("batch", images, "-o", tmp_path / "out", "--model", model, "--channel", "DAPI")
    assert found.exit_code == 2
    assert "takes colour images" in found.output


def test_segment_writes_the_boundary_on_request(call, images, student, model, tmp_path) -> None:
    command = ["segment", images / "a.png", "-o", tmp_path / "out", "--settings", json.dumps(LOOSE)]
    found = call(*command, "--channel", "0", "--model", student, "--boundary-map")
    assert found.exit_code == 0, found.output
    stored = load_result(tmp_path / "out" / "a_cells.tif")
    expected = segment_cells(images / "a.png", student, channel=0, **LOOSE)
    np.testing.assert_array_equal(stored.boundary, expected.boundary)
    np.testing.assert_array_equal(decide_again(stored).instances, expected.instances)
    refused = call("segment", images / "a.png", "-o", tmp_path / "b", "--model", model, "--boundary-map")
    assert refused.exit_code == 2
    assert "expected --boundary-map with a model for channels" in refused.output
