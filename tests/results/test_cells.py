"""Numbered cells on disk: written, opened again by any of their files, and told from others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.students import LOOSE, nuclei, save_student

from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.tiff import write_cells
from napari_construct.inference.cells.evidence import decide_again
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.results.cells import CellResult
from napari_construct.results.files import CELL_KINDS
from napari_construct.results.read import load_result
from napari_construct.results.stored_cells import cells_description, read_cells


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CellResult:
    student = save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")
    return segment_cells(nuclei(), student, mpp=0.37, name="slide.tif", **LOOSE)


@pytest.mark.parametrize("file", ["slide_cells.tif", "slide_mask.tif", "slide.json"])
def test_any_file_of_a_result_opens_all_of_it(result, tmp_path, file) -> None:
    result.save(tmp_path)
    stored = load_result(tmp_path / file)
    np.testing.assert_array_equal(stored.instances, result.instances)
    np.testing.assert_array_equal(stored.labels, result.labels)
    np.testing.assert_array_equal(stored.cams, result.cams)
    assert stored.mpp == 0.37
    assert stored.components() == result.components() == [result.instances.max()]
    for name, column in result.cells().items():
        np.testing.assert_array_equal(stored.cells()[name], column)


def test_without_maps_the_table_says_how_sure_each_cell_is(result, tmp_path) -> None:
    result.save(tmp_path, kinds=("cells", "table"))
    for file in ("slide_cells.tif", "slide.json"):
        stored = load_result(tmp_path / file)
        np.testing.assert_array_equal(stored.instances, result.instances)
        np.testing.assert_allclose(stored.cells()["confidence"], result.cells()["confidence"], rtol=1e-5)
        np.testing.assert_array_equal(stored.cells()["area_um2"], result.cells()["area_um2"])


def test_cells_of_another_run_are_not_read_with_the_record(result, tmp_path) -> None:
    result.save(tmp_path)
    write_cells(tmp_path / "slide_cells.tif", np.zeros_like(result.instances), 0.5)
    by_record = load_result(tmp_path / "slide.json")
    assert by_record.instances is None
    assert any("slide_cells.tif" in text for text in by_record.notices)
    by_cells = load_result(tmp_path / "slide_cells.tif")
    assert by_cells.mpp == 0.5
    assert not by_cells.instances.any()
    assert not by_cells.record


def test_a_stack_of_cells(tmp_path) -> None:
    cells = np.zeros((3, 20, 30), np.int32)
    cells[0, 2:5, 3:9], cells[2, 4:8, 2:6] = 1, 70_000
    write_cells(tmp_path / "stack_cells.tif", cells, 0.25)
    stored = load_result(tmp_path / "stack_cells.tif")
    np.testing.assert_array_equal(stored.instances, cells)
    table = stored.cells()
    assert table["plane"].tolist() == [1, 3]
    assert table["area_um2"].tolist() == [18 * 0.0625, 16 * 0.0625]


def test_numbers_of_others_are_none_of_ours(tmp_path) -> None:
    theirs = tmp_path / "x_cells.tif"
    tifffile.imwrite(theirs, np.ones((20, 20), np.uint16))
    assert cells_description(theirs) is None
    with pytest.raises(InputError, match="got another file"):
        load_result(theirs)
    tifffile.imwrite(theirs, np.ones((20, 20), np.float32))
    with pytest.raises(InputError, match="expected cells"):
        read_cells(Path(theirs))


WITH_MAPS = (*CELL_KINDS, "boundary")


@pytest.mark.parametrize("file", ["slide_cells.tif", "slide_mask.tif", "slide.json"])
def test_the_boundary_is_written_on_request_and_read_exactly(result, tmp_path, file) -> None:
    files = result.save(tmp_path, kinds=WITH_MAPS)
    assert files["boundary"].name == "slide_boundary.ome.tif"
    stored = load_result(tmp_path / file)
    assert stored.boundary.dtype == np.float32
    np.testing.assert_array_equal(stored.boundary, result.boundary)
    assert float(np.ptp(result.boundary)) > 0


def test_a_reopened_result_gives_the_same_cells_when_it_is_decided_again(result, tmp_path) -> None:
    result.save(tmp_path, kinds=WITH_MAPS)
    again = decide_again(load_result(tmp_path))
    np.testing.assert_array_equal(again.instances, result.instances)
    for part in ("software", "model", "device", "settings", "cells", "presence"):
        assert again.record[part] == result.record[part]
    assert again.record["input"] == result.record["input"]
    assert again.mpp == result.mpp
    for name, column in result.cells().items():
        np.testing.assert_array_equal(again.cells()[name], column)


@pytest.mark.parametrize("changes", [{"threshold": 0.7}, {"seed_threshold": 0.3}, {"min_area": 40}], ids=str)
def test_other_thresholds_on_a_reopened_result_are_those_of_a_new_run(result, tmp_path, changes) -> None:
    student = save_student(tmp_path / "nuclei.construct")
    result.save(tmp_path / "out", kinds=WITH_MAPS)
    again = decide_again(load_result(tmp_path / "out"), **changes)
    new = segment_cells(nuclei(), student, mpp=0.37, name="slide.tif", **LOOSE | changes)
    np.testing.assert_array_equal(again.instances, new.instances)
    assert not np.array_equal(again.instances, result.instances)
    assert again.record["settings"] == new.record["settings"]
    saved = again.save(tmp_path / "again", kinds=WITH_MAPS)
    np.testing.assert_array_equal(load_result(saved["record"]).instances, new.instances)


def test_results_without_a_boundary_open_and_say_what_is_missing(result, tmp_path) -> None:
    result.save(tmp_path)  # as those of earlier versions
    stored = load_result(tmp_path)
    assert stored.boundary is None
    with pytest.raises(InputError, match='save the kinds "cams" and "boundary"'):
        decide_again(stored)
    with pytest.raises(ConfigurationError, match="leave out the kind boundary"):
        stored.save(tmp_path / "again", kinds=("cells", "boundary"))


def test_a_boundary_of_another_result_or_size_is_not_taken(result, tmp_path) -> None:
    files = result.save(tmp_path, kinds=WITH_MAPS)
    other = replace(result, boundary=result.boundary[::-1].copy())
    other.save(tmp_path / "other", kinds=WITH_MAPS)["boundary"].replace(files["boundary"])
    stored = load_result(tmp_path)
    assert stored.boundary is None
    assert any("slide_boundary.ome.tif" in text and "left out" in text for text in stored.notices)
    np.testing.assert_array_equal(stored.instances, result.instances)
    record = json.loads(files["record"].read_text(encoding="utf-8"))
    del record["sha256"], record["sizes"]  # as in records of earlier versions, which are believed
    files["record"].write_text(json.dumps(record), encoding="utf-8")
    tifffile.imwrite(files["boundary"], np.zeros((400, 400), np.float32))
    with pytest.raises(InputError, match="expected maps of shape"):
        load_result(files["record"])


def test_a_record_with_settings_of_something_else_is_refused(result, tmp_path) -> None:
    files = result.save(tmp_path, kinds=WITH_MAPS)
    record = json.loads(files["record"].read_text(encoding="utf-8"))
    record["settings"] = {"views": "four"}
    files["record"].write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="settings of a segmentation of cells"):
        decide_again(load_result(tmp_path))
