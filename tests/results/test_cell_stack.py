"""The joined result of a stack of cells: numbers of its own for every cell, and their rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.students import LOOSE, nuclei, save_student

from napari_construct.inference.cells.segment import segment_cells
from napari_construct.results.cell_stack import write_cell_stack
from napari_construct.results.cells import CELL, CellResult
from napari_construct.results.files import result_paths
from napari_construct.results.read import load_result
from napari_construct.results.result import StoredResult

KINDS = ("mask", "cells", "table")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[CellResult]:
    student = save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")
    return [segment_cells(nuclei(seed=z), student, mpp=0.37, **LOOSE) for z in (1, 2)]


@pytest.fixture
def planes(results, tmp_path) -> list[dict[str, Path]]:
    """Two planes with cells, and one between them that failed."""
    first, last = (one.save(tmp_path, f"z_p{i}", kinds=KINDS) for i, one in zip((1, 3), results, strict=True))
    return [first, {}, last]


def joined(planes: list[dict[str, Path]], tmp_path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    paths = result_paths(tmp_path, "z", KINDS)
    return paths, write_cell_stack(paths, planes)


@pytest.mark.parametrize("kind", ["mask", "cells", "record"])
def test_numbers_go_on_from_plane_to_plane_and_every_row_is_one_cell(results, planes, tmp_path, kind) -> None:
    paths, notices = joined(planes, tmp_path)
    stored = load_result(paths[kind])
    first, last = (one.instances for one in results)
    assert not notices
    assert stored.instances.shape == (3, *first.shape)
    np.testing.assert_array_equal(stored.instances[0], first)
    assert not stored.instances[1].any()
    np.testing.assert_array_equal(stored.instances[2], np.where(last > 0, last + first.max(), 0))
    np.testing.assert_array_equal(stored.labels[[0, 2]], [one.labels for one in results])
    assert stored.mpp == 0.37
    table = stored.cells()
    assert table["label"].tolist() == list(range(1, first.max() + last.max() + 1))
    assert table["plane"].tolist() == [1] * first.max() + [3] * last.max()
    expected = np.concatenate([one.cells()["confidence"] for one in results])
    np.testing.assert_allclose(table["confidence"], expected, rtol=1e-5)
    assert stored.components() == [first.max() + last.max()]
    assert stored.record["settings"] == results[0].record["settings"]
    assert stored.tissue_pixels == 2 * first.size
    assert stored.areas()[0]["percent_of_tissue"] == pytest.approx(
        100 * sum((one > 0).sum() for one in (first, last)) / (2 * first.size)
    )


def test_the_table_on_disk_is_that_of_the_numbers_on_disk(planes, tmp_path) -> None:
    paths, _ = joined(planes, tmp_path)
    stored = load_result(paths["record"])
    again = stored.save(tmp_path / "again", "z", kinds=("cells", "table"))
    assert paths["table"].read_bytes() == again["table"].read_bytes()


def test_a_plane_that_somebody_spoilt_is_left_out_and_named(results, planes, tmp_path) -> None:
    tifffile.imwrite(planes[0]["cells"], np.zeros((4, 4, 3), np.float32))
    paths, notices = joined(planes, tmp_path)
    assert len(notices) == 1
    assert "z_p1_cells.tif" in notices[0]
    stored = load_result(paths["cells"])
    assert not stored.instances[0].any()
    np.testing.assert_array_equal(stored.instances[2], results[1].instances)
    assert set(stored.cells()["plane"].tolist()) == {3}


def test_a_table_that_somebody_spoilt_leaves_the_numbers(planes, tmp_path) -> None:
    planes[2]["table"].write_text("something,else\n1,2\n", encoding="utf-8")
    paths, notices = joined(planes, tmp_path)
    assert "z_p3_cells.csv" in " ".join(notices)
    table = load_result(paths["cells"]).cells()
    assert set(table["plane"].tolist()) == {1, 3}
    assert np.isnan(table["confidence"][table["plane"] == 3]).all()


def test_many_cells_take_32_bit(tmp_path) -> None:
    many = np.arange(400 * 200, dtype=np.int32).reshape(400, 200)
    planes = [
        StoredResult(labels=(many > 0).astype(np.uint8), classes=CELL, instances=many).save(
            tmp_path, f"z_p{i}", kinds=("cells", "table")
        )
        for i in (1, 2)
    ]
    paths = result_paths(tmp_path, "z", ("cells", "table"))
    write_cell_stack(paths, planes)
    with tifffile.TiffFile(paths["cells"]) as file:
        assert file.series[0].dtype == np.uint32
    stored = load_result(paths["cells"])
    assert stored.instances.max() == 2 * (many.size - 1)


def test_nothing_is_written_where_no_plane_can_be_read(planes, tmp_path) -> None:
    for files in (planes[0], planes[2]):
        files["cells"].write_bytes(b"nothing")
    paths, notices = joined(planes, tmp_path)
    assert len(notices) == 2
    assert not any(path.exists() for path in paths.values())
