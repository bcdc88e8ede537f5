"""Batch with a student on one channel: channels and stacks in, numbered cells and one table out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.students import LOOSE, nuclei, save_student

from napari_construct.batch.folder import segment_folder
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import look_for_sources
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.cells.evidence import decide_again
from napari_construct.inference.cells.segment import segment_cells
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.read import load_result


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "nuclei.construct")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey picture, one that is broken, and a stack of two planes with two channels."""
    made = tmp_path / "in"
    made.mkdir()
    Image.fromarray((nuclei() >> 4).astype(np.uint8)).save(made / "a.png")
    (made / "broken.png").write_bytes((made / "a.png").read_bytes()[:300])
    planes = np.stack([np.stack([nuclei(seed=z), nuclei(seed=9)]) for z in (1, 2)])
    names = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "membrane"]}}
    tifffile.imwrite(made / "z.ome.tif", planes, ome=True, photometric="minisblack", metadata=names)
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_image_gets_its_cells_and_one_table_has_all_of_them(folder, student, tmp_path) -> None:
    report = segment_folder(folder, tmp_path / "out", model=student, **LOOSE)
    assert [entry.state for entry in report.entries] == ["done", "failed", "done", "done"]
    assert "broken.png" in report.failed[0].key
    plane = segment_cells(nuclei(seed=2), student, **LOOSE)
    second = report.done[2]
    assert set(second.files) == {"mask", "cams", "cells", "table", "record"}
    stored = load_result(tmp_path / "out" / second.files["cells"])
    np.testing.assert_array_equal(stored.instances, plane.instances)
    assert stored.record["input"]["channel"] == "DAPI"
    counts = [entry.areas[0]["cells"] for entry in report.done]
    assert counts[2] == plane.instances.max() > 1
    assert report.cells == tmp_path / "out" / "batch_cells.csv"
    rows = rows_of(report.cells)
    assert [sum(row["image"] == entry.key for row in rows) for entry in report.done] == counts
    assert [int(row["area_px"]) for row in rows if row["image"] == second.key] == plane.cells()[
        "area_px"
    ].tolist()
    assert [row["cells"] for row in rows_of(report.output / "batch.csv")] == [
        str(counts[0]),
        "",
        *map(str, counts[1:]),
    ]
    joined = tifffile.imread(report.stacks["z"])
    assert joined.shape == (2, 128, 160)
    np.testing.assert_array_equal(joined[1], plane.labels)


def test_a_second_call_goes_on_and_does_only_what_is_missing(folder, student, tmp_path) -> None:
    first = segment_folder(folder, tmp_path / "out", model=student, **LOOSE)
    (first.output / first.done[0].files["cells"]).unlink()
    again = segment_folder(folder, tmp_path / "out", model=student, **LOOSE)
    assert again.resumed == {entry.key for entry in first.done[1:]}
    assert (again.output / again.done[0].files["cells"]).exists()
    assert rows_of(again.cells) == rows_of(first.cells)


@pytest.mark.parametrize("changes", [{"channel": "membrane"}, {"threshold": 0.4}], ids=str)
def test_a_result_of_another_channel_or_threshold_does_not_count(folder, student, tmp_path, changes) -> None:
    segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    with pytest.raises(ConfigurationError, match="same settings, got different settings"):
        segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE | changes)
    report = segment_folder(
        folder / "z.ome.tif", tmp_path / "out", model=student, restart=True, **LOOSE | changes
    )
    assert not report.resumed
    assert len(report.done) == 2


def test_overlay_shows_the_channel(folder, student, tmp_path) -> None:
    settings = BatchSettings(cells=CellSettings(**LOOSE), outputs=("overlay", "cells"))
    report = segment_folder(folder / "a.png", tmp_path / "out", settings, model=student)
    (entry,) = report.done
    assert set(entry.files) == {"overlay", "cells", "record"}
    with Image.open(report.output / entry.files["overlay"]) as overlay:
        assert overlay.size == (160, 128)
    assert report.cells is None
    np.testing.assert_array_equal(
        load_result(report.output / entry.files["record"]).instances,
        segment_cells(folder / "a.png", student, **LOOSE).instances,
    )


def test_what_only_the_other_kind_of_model_writes_is_refused(folder, student, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="got ood"):
        segment_folder(folder, tmp_path / "out", BatchSettings(outputs=("mask", "ood")), model=student)
    assert not (tmp_path / "out" / "batch.jsonl").exists()


def test_a_table_that_was_edited_is_kept(folder, student, tmp_path) -> None:
    first = segment_folder(folder / "a.png", tmp_path / "out", model=student, **LOOSE)
    table = first.output / first.done[0].files["table"]
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    again = segment_folder(folder / "a.png", tmp_path / "out", model=student, **LOOSE)
    assert again.resumed
    assert len(rows_of(table)) == len(rows_of(again.cells)) == 2


def test_a_stained_section_fails_with_the_sentence_that_says_so(camelyon, student, tmp_path) -> None:
    (image,) = (camelyon / "val" / "img").glob("*.png")
    report = segment_folder(image, tmp_path / "out", model=student)
    assert "like a stained section" in report.failed[0].error


def test_boundaries_on_request_let_other_thresholds_be_tried_later(folder, student, tmp_path) -> None:
    kinds = ("cams", "cells", "boundary")
    settings = BatchSettings(cells=CellSettings(**LOOSE), outputs=kinds)
    report = segment_folder(folder / "a.png", tmp_path / "out", settings, model=student)
    (entry,) = report.done
    assert set(entry.files) == {*kinds, "record"}
    stored = load_result(report.output / entry.files["record"])
    again = decide_again(stored, threshold=0.7)
    expected = segment_cells(folder / "a.png", student, **LOOSE | {"threshold": 0.7})
    np.testing.assert_array_equal(again.instances, expected.instances)
    resumed = segment_folder(folder / "a.png", tmp_path / "out", settings, model=student)
    assert resumed.resumed == {entry.key}


def test_the_planes_of_a_stack_are_joined_with_their_numbers_and_rows(folder, student, tmp_path) -> None:
    report = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    files = report.joined["z"]
    assert {kind: path.name for kind, path in files.items()} == {
        "mask": "z_mask.tif",
        "cells": "z_cells.tif",
        "table": "z_cells.csv",
        "record": "z.json",
    }
    planes = [segment_cells(nuclei(seed=z), student, **LOOSE) for z in (1, 2)]
    first, second = (one.instances for one in planes)
    stored = load_result(files["cells"])
    np.testing.assert_array_equal(stored.instances, [first, np.where(second > 0, second + first.max(), 0)])
    rows = rows_of(files["table"])
    assert [int(row["label"]) for row in rows] == list(range(1, first.max() + second.max() + 1))
    assert [int(row["plane"]) for row in rows] == [1] * first.max() + [2] * second.max()
    both = rows_of(report.cells)  # of the planes, each with numbers of its own
    assert [row["area_px"] for row in rows] == [row["area_px"] for row in both]
    assert [row["confidence"] for row in rows] == [row["confidence"] for row in both]
    assert {row["image"] for row in both} == {entry.key for entry in report.entries}
    again = look_for_sources([tmp_path / "out", folder / "a.png"], channels=True)
    assert [source.stem for source in again.sources] == ["a"]


def test_a_joined_result_that_somebody_worked_on_is_kept(folder, student, tmp_path) -> None:
    first = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    table = first.joined["z"]["table"]
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    before = {kind: path.read_bytes() for kind, path in first.joined["z"].items()}
    again = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    assert {kind: path.read_bytes() for kind, path in again.joined["z"].items()} == before
    (again.output / again.done[1].files["cells"]).unlink()
    with pytest.raises(ConfigurationError, match=r"z_cells\.csv.*a plane is segmented again"):
        segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    over = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, overwrite=True, **LOOSE)
    assert len(rows_of(over.joined["z"]["table"])) == len(lines) - 1


def test_a_ledger_of_before_joins_its_cells_now(folder, student, tmp_path) -> None:
    first = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    ledger = first.output / "batch.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines()
    old = [json.loads(line) for line in lines]
    old = [row for row in old if row.pop("kind", "mask") == "mask"]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in old), encoding="utf-8")
    for kind in ("cells", "table", "record"):
        first.joined["z"][kind].unlink()
    again = segment_folder(folder / "z.ome.tif", tmp_path / "out", model=student, **LOOSE)
    assert len(again.resumed) == 2
    assert load_result(again.joined["z"]["cells"]).instances.shape == (2, 128, 160)
