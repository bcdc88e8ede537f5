from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_construct.batch.folder import segment_folder
from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.report import TABLE_NAME
from napari_construct.batch.runner import ItemChanged, run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import array_source, find_sources
from napari_construct.batch.stems import distinct_stems
from napari_construct.crf import CRFParameters
from napari_construct.data.images import ImageFile
from napari_construct.data.masks import read_mask
from napari_construct.events import Event, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.results.read import load_result

from .conftest import QUICK


def states(output: Path) -> dict[str, str]:
    return {entry.name: entry.state for entry in read_ledger(output / LEDGER_NAME)[1].values()}


ALL = {"a", "broken", "deep/a", "stack_p1", "stack_p2", "stack_p3"}


def test_a_broken_file_never_stops_the_rest(predictor, folder, tmp_path, tissue) -> None:
    output = tmp_path / "out"
    events = []
    report = run(run_batch_steps(find_sources([folder]), predictor, QUICK, output), events.append)
    assert states(output) == {name: "failed" if name == "broken" else "done" for name in ALL}
    (failed,) = report.failed
    assert "broken.png" in failed.error
    assert not list(output.glob("broken*"))
    expected = segment(tissue, predictor, QUICK.segment)
    np.testing.assert_array_equal(read_mask(output / "a_mask.tif"), expected.labels)
    assert (output / "deep" / "a_overlay.png").is_file()
    changed = [e for e in events if isinstance(e, ItemChanged)]
    assert [e.done for e in changed if e.entry.state != "running"] == [1, 2, 3, 4, 5, 6]
    with (output / "batch.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows].count("done") == 5
    assert float(rows[0]["tumour percent_of_tissue"]) + float(
        rows[0]["lymphoid percent_of_tissue"]
    ) == pytest.approx(100)


def test_masks_of_a_stack_are_joined(predictor, folder, tmp_path) -> None:
    output = tmp_path / "out"
    report = run(run_batch_steps(find_sources([folder / "stack.tif"]), predictor, QUICK, output))
    joined = tifffile.imread(report.stacks["stack"])
    assert joined.shape == (3, 128, 128)
    for i, plane in enumerate(joined, 1):
        np.testing.assert_array_equal(plane, read_mask(output / f"stack_p{i}_mask.tif"))


def test_a_folder_of_before_goes_on(predictor, folder, tmp_path) -> None:
    """When the device was a setting, the CRF's default was written out, and shares were called percent."""
    output, sources = tmp_path / "out", find_sources([folder / "a.png", folder / "deep"])
    settings = BatchSettings(model="tiny", segment=SegmentSettings(tile=128, overlap=32), device="cpu")
    run(run_batch_steps(sources, predictor, settings, output))
    header, *lines = (output / LEDGER_NAME).read_text(encoding="utf-8").splitlines()
    assert json.loads(header)["settings"] == {
        "segment": {
            "classes": None, "views": None, "tile": 128, "overlap": 32, "mpp": None,
            "crf": {
                "smoothness_sigma": 15.0, "smoothness_weight": 30.0, "appearance_sigma_xy": 10.0,
                "appearance_sigma_rgb": 20.0, "appearance_weight": 50.0, "iterations": 5,
            },
            "min_confidence": 0.0, "protect_confidence": None, "presence_threshold": None,
            "background": None, "background_exponent": 10.0,
        },
        "outputs": ["mask", "overlay"],
    }  # fmt: skip
    old = [line.replace("percent_of_tissue", "percent") for line in lines]
    (output / LEDGER_NAME).write_text("\n".join([header, *old]) + "\n", encoding="utf-8")
    before = (output / TABLE_NAME).read_text(encoding="utf-8")
    again = run(run_batch_steps(sources, predictor, settings, output))
    assert len(again.resumed) == 2
    after = (output / TABLE_NAME).read_text(encoding="utf-8")
    assert after == before.replace(",done,", ",resumed,")
    explicit = settings.changed(segment=settings.segment.changed(crf=CRFParameters()))
    assert len(run(run_batch_steps(sources, predictor, explicit, output)).resumed) == 2  # it means the same


def test_a_device_for_a_model_that_is_loaded_elsewhere(predictor, folder, tmp_path) -> None:
    elsewhere = copy.copy(predictor)
    elsewhere.device = torch.device("cuda:1")
    with pytest.raises(ConfigurationError, match=r"expected the device of the loaded model tiny \(cuda:1\)"):
        run(run_batch_steps(find_sources([folder]), elsewhere, QUICK.changed(device="cpu"), tmp_path / "out"))


def test_killed_run_goes_on_where_it_stopped(predictor, folder, tmp_path) -> None:
    output = tmp_path / "out"
    sources = find_sources([folder])
    steps = run_batch_steps(sources, predictor, QUICK, output)
    for event in steps:
        if isinstance(event, ItemChanged) and event.entry.name == "deep/a":
            break  # a kill leaves what is on disk at this moment
    assert states(output) == {"a": "done", "broken": "failed", "deep/a": "running"}
    steps.close()
    with (output / LEDGER_NAME).open("a", encoding="utf-8") as stream:
        stream.write('{"key": "half a li')  # and half a line
    events = []
    report = run(run_batch_steps(sources, predictor, QUICK, output), events.append)
    started = [e.entry.name for e in events if isinstance(e, ItemChanged) and e.entry.state == "running"]
    assert started == ["broken", "deep/a", "stack_p1", "stack_p2", "stack_p3"]
    assert len(report.resumed) == 1
    assert len(report.done) == 5
    again = run(run_batch_steps(sources, predictor, QUICK, output))
    assert len(again.resumed) == 5


def test_changed_images_and_missing_results_are_done_again(predictor, folder, tmp_path, tissue) -> None:
    output = tmp_path / "out"
    sources = find_sources([folder / "a.png", folder / "deep"])
    first = run(run_batch_steps(sources, predictor, QUICK, output)).done[0]
    (output / first.files["mask"]).unlink()
    assert [
        Path(key).parent.name for key in run(run_batch_steps(sources, predictor, QUICK, output)).resumed
    ] == ["deep"]


def test_other_settings_need_another_folder(predictor, folder, tmp_path) -> None:
    output = tmp_path / "out"
    sources = find_sources([folder / "a.png"])
    run(run_batch_steps(sources, predictor, QUICK, output))
    other = QUICK.model_copy(update={"outputs": ("mask",)})
    with pytest.raises(ConfigurationError, match="different settings; choose another output folder"):
        run(run_batch_steps(sources, predictor, other, output))
    report = run(run_batch_steps(sources, predictor, other, output, restart=True))
    assert not report.resumed
    assert set(report.done[0].files) == {"mask", "record"}
    moved = QUICK.model_copy(update={"outputs": ("mask",), "model": "elsewhere/tiny.construct"})
    assert run(run_batch_steps(sources, predictor, moved, output)).resumed


def test_a_ledger_with_the_names_of_earlier_versions_goes_on(predictor, folder, tmp_path) -> None:
    settings = QUICK.changed(segment=QUICK.segment.changed(background=BackgroundRule(min_area=9)))
    sources = find_sources([folder / "a.png"])
    run(run_batch_steps(sources, predictor, settings, tmp_path / "out"))
    ledger = tmp_path / "out" / LEDGER_NAME
    new = ledger.read_text(encoding="utf-8")
    assert '"min_area": 9.0' in new
    ledger.write_text(new.replace('"min_area"', '"smallest"'), encoding="utf-8")
    assert len(run(run_batch_steps(sources, predictor, settings, tmp_path / "out")).resumed) == 1


def test_arrays_are_images_too(predictor, tmp_path, tissue) -> None:
    source = array_source("layer", lambda: ImageFile(tissue, 0.25, (), Path("layer")), stem="layer")
    report = run(run_batch_steps([source], predictor, QUICK, tmp_path))
    assert report.done[0].areas[0]["mm2"] >= 0
    assert run(run_batch_steps([source], predictor, QUICK, tmp_path)).resumed == {"layer"}


def test_transparent_parts_of_files_and_arrays_are_left_out(predictor, tmp_path, tissue) -> None:
    valid = np.ones(tissue.shape[:2], bool)
    valid[:, 80:] = False
    (tmp_path / "images").mkdir()
    Image.fromarray(np.dstack([tissue, valid * np.uint8(255)])).save(tmp_path / "images" / "a.png")
    held = ImageFile(tissue, 0.25, (), Path("layer"), valid)
    sources = [
        *find_sources([tmp_path / "images"]),
        array_source("layer", lambda: held, stem="layer"),
    ]
    report = run(run_batch_steps(sources, predictor, QUICK, tmp_path / "out"))
    for entry in report.done:
        assert not read_mask(tmp_path / "out" / entry.files["mask"])[~valid].any()
        assert sum(row["percent_of_tissue"] for row in entry.areas) == pytest.approx(100)


def test_names_never_collide(folder) -> None:
    assert distinct_stems(["a.png", "b/a.png", "c.ome.tif"]) == ["a", "b/a", "c"]
    assert distinct_stems(["a.png", "a.tif", "a_tif.png"]) == ["a_png", "a_tif", "a_tif_2"]
    with pytest.raises(ConfigurationError, match="at least one image"):
        find_sources([])


def test_a_file_that_is_no_ledger_is_named(predictor, folder, tmp_path) -> None:
    (tmp_path / LEDGER_NAME).write_text("not json\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="expected the ledger of a batch"):
        run(run_batch_steps(find_sources([folder / "a.png"]), predictor, QUICK, tmp_path))


@pytest.mark.parametrize(
    "name", ["a.json", "deep/a_mask.tif", "stack_mask.tif", "stack_p2.json", "batch.csv"]
)
def test_a_file_of_others_stops_the_run_before_it_begins(predictor, folder, tmp_path, name) -> None:
    output = tmp_path / "out"
    theirs = output / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"drawn by hand")
    sources = find_sources([folder])
    with pytest.raises(ConfigurationError) as caught:
        run(run_batch_steps(sources, predictor, QUICK, output))
    assert str(theirs) in str(caught.value)
    assert [path for path in output.rglob("*") if path.is_file()] == [theirs]
    assert theirs.read_bytes() == b"drawn by hand"
    report = run(run_batch_steps(sources, predictor, QUICK, output, overwrite=True))
    assert len(report.done) == 5
    assert theirs.read_bytes() != b"drawn by hand"


def test_earlier_results_are_replaced_without_asking(predictor, folder, tmp_path) -> None:
    every = QUICK.model_copy(update={"outputs": ("mask", "overlay", "cams", "zarr")})
    for _ in range(2):
        report = run(
            run_batch_steps(find_sources([folder]), predictor, every, tmp_path / "out", restart=True)
        )
        assert len(report.done) == 5


def test_what_is_done_stays_though_it_was_edited(predictor, folder, tmp_path) -> None:
    output = tmp_path / "out"
    (first,) = run(run_batch_steps(find_sources([folder / "a.png"]), predictor, QUICK, output)).done
    tifffile.imwrite(output / first.files["mask"], np.zeros((128, 128), np.uint8))
    report = run(run_batch_steps(find_sources([folder / "a.png", folder / "deep"]), predictor, QUICK, output))
    assert first.key in report.resumed
    assert not read_mask(output / first.files["mask"]).any()


def test_a_file_that_came_while_the_batch_ran_survives(predictor, folder, tmp_path) -> None:
    output = tmp_path / "out"
    for event in run_batch_steps(find_sources([folder / "a.png"]), predictor, QUICK, output):
        if isinstance(event, ItemChanged) and event.entry.state == "running":
            (output / "a.json").write_text("drawn by hand", encoding="utf-8")
    assert states(output) == {"a": "failed"}
    assert (output / "a.json").read_text(encoding="utf-8") == "drawn by hand"


def test_settings_survive_json() -> None:
    given = BatchSettings(outputs=("zarr", "mask"))
    assert given.outputs == ("mask", "zarr")
    assert BatchSettings.model_validate(json.loads(given.model_dump_json())) == given


def test_a_folder_in_one_call(folder: Path, predictor: Predictor, tmp_path: Path) -> None:
    events: list[Event] = []
    quick = {"tile": 128, "overlap": 32, "crf": None}
    report = segment_folder(folder, tmp_path / "out", model=predictor, progress=events.append, **quick)
    assert (len(report.done), len(report.failed)) == (5, 1)
    assert len([e for e in events if isinstance(e, ItemChanged) and e.entry.state == "done"]) == 5
    again = segment_folder([str(folder)], str(tmp_path / "out"), model=predictor, **quick)
    assert len(again.resumed) == 5
    expected = segment(folder / "a.png", predictor, **quick)
    stored = load_result(tmp_path / "out", "a")
    np.testing.assert_array_equal(stored.labels, expected.labels)
    assert stored.record["settings"] == expected.record["settings"]
    flat = segment_folder(folder, tmp_path / "flat", QUICK, model=predictor, recursive=False)
    assert {entry.name for entry in flat.done} == {"a", "stack_p1", "stack_p2", "stack_p3"}


def test_a_wrong_setting_of_a_folder_is_named_before_a_model_is_loaded(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="setting tile"):
        segment_folder(folder, tmp_path / "out", model="no such model", tile=3)
    assert not (tmp_path / "out").exists()
