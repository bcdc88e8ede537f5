"""A run resumes what is still as it was: images, scale, encoder, and files to the last bit."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.report import BatchReport
from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.sources import array_source, find_sources
from napari_construct.data.images import ImageFile
from napari_construct.data.masks import read_mask
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Event, Notice, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import locked_folder
from napari_construct.export.own_files import is_own
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.network.builder import build_model

from .conftest import QUICK

EVERY = QUICK.changed(outputs=("mask", "overlay", "cams", "zarr"))


@pytest.fixture
def again(predictor, folder: Path, tmp_path: Path) -> Callable[..., tuple[BatchReport, list[str]]]:
    """Run the batch of a.png and deep/a.png into one folder; the report and the notices."""

    (folder / "broken.png").unlink()
    (folder / "stack.tif").unlink()

    def go(**options: bool) -> tuple[BatchReport, list[str]]:
        said: list[Event] = []
        sources = find_sources([folder])
        steps = run_batch_steps(sources, predictor, EVERY, tmp_path / "out", **options)
        report = run(steps, said.append)
        return report, [event.message for event in said if isinstance(event, Notice)]

    go()
    return go


def test_the_ledger_knows_every_file(again, tmp_path: Path) -> None:
    for entry in read_ledger(tmp_path / "out" / LEDGER_NAME)[1].values():
        assert set(entry.files) == set(entry.sizes) == set(entry.sha256)
        assert set(entry.files) == {"mask", "overlay", "cams", "zarr", "record"}
    report, said = again()
    assert len(report.resumed) == 2
    assert not said


@pytest.mark.parametrize(
    "name", ["a_mask.tif", "a_overlay.png", "a_cams.ome.tif", "a.json", "a.ome.zarr/labels/tissue/0/c/0/0"]
)
@pytest.mark.parametrize("damage", ["empty", "short"])
def test_an_empty_or_damaged_file_is_made_again(again, tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / "out" / name
    whole = path.read_bytes()
    path.write_bytes(b"" if damage == "empty" else whole[: len(whole) // 2])
    if ".zarr" in name:
        (tmp_path / "out" / "a.ome.zarr" / "labels" / "tissue" / "zarr.json").write_text("{")
    report, said = again()
    assert len(report.done) == 2
    assert len(report.resumed) == 1
    top = name.split("/", maxsplit=1)[0]
    assert any(f"a: {top} is damaged; it is segmented again" in text for text in said)
    assert is_own(tmp_path / "out" / top)
    report, said = again()
    assert len(report.resumed) == 2
    kept = [p.name for p in (tmp_path / "out").iterdir() if "damaged" in p.name]
    assert kept == ([] if damage == "empty" and ".zarr" not in name else [f"{top}.damaged1"])


@pytest.mark.parametrize("name", ["a_mask.tif", "a_cams.ome.tif"])
def test_a_result_that_claims_a_huge_page_takes_no_memory(again, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("ImageWidth", "ImageLength"):
            file.pages.first.tags[tag].overwrite(30_000)
    tracemalloc.start()
    try:
        _, said = again()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(f"a: {name} is damaged" in text for text in said)
    assert peak < 100e6


def test_an_edited_mask_stays_and_this_is_said(again, tmp_path: Path) -> None:
    path = tmp_path / "out" / "a_mask.tif"
    tifffile.imwrite(path, np.zeros((128, 128), np.uint8))
    report, said = again()
    assert len(report.resumed) == 2
    assert said == ["a: a_mask.tif was changed since it was written, and is kept as it is"]
    assert not read_mask(path).any()


@pytest.mark.parametrize("ours", [True, False])
def test_an_edited_mask_of_a_changed_image_is_never_replaced_silently(
    again, folder: Path, tmp_path: Path, tissue: np.ndarray, ours: bool
) -> None:
    path = tmp_path / "out" / "a_mask.tif"
    tifffile.imwrite(path, np.zeros((128, 128), np.uint8), software="napari-construct" if ours else "Fiji")
    edited = path.read_bytes()
    Image.fromarray(255 - tissue).save(folder / "a.png")
    for _ in range(2):  # also the second time
        with pytest.raises(ConfigurationError, match=r"a_mask\.tif.*changed since.*--overwrite"):
            again()
        assert path.read_bytes() == edited
    report, _ = again(overwrite=True)
    assert len(report.done) == 2
    assert path.read_bytes() != edited


def test_an_image_edited_at_equal_size_and_time_is_segmented_again(again, folder: Path) -> None:
    path = folder / "a.png"
    found, content = path.stat(), bytearray(path.read_bytes())
    Image.open(path).load()
    content[-1] ^= 1  # of the last checksum, which Pillow does not look at
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    report, said = again()
    assert len(report.resumed) == 1
    assert said == ["a: the image or its pixel size changed; it is segmented again"]


def test_an_image_that_was_only_touched_is_not(again, folder: Path) -> None:
    os.utime(folder / "a.png")
    assert len(again()[0].resumed) == 2


def test_the_ledger_of_an_earlier_version_goes_on(again, tmp_path: Path) -> None:
    path = tmp_path / "out" / LEDGER_NAME
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows[1:]:
        row.pop("sizes"), row.pop("sha256")
        row["fingerprint"] = row["fingerprint"].rpartition("-")[0]
    rows[0].pop("encoder")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report, said = again()
    assert len(report.resumed) == 2
    assert not said
    (tmp_path / "out" / "a_mask.tif").write_bytes(b"")
    assert len(again()[0].resumed) == 1


def test_a_corrected_scale_of_a_layer_is_segmented_again(predictor, tmp_path: Path, tissue) -> None:
    def source(mpp: float | None, pixels: np.ndarray = tissue):
        return array_source("layer", lambda: ImageFile(pixels, mpp, (), Path("layer")), stem="layer")

    def go(one) -> tuple[BatchReport, float | None]:
        report = run(run_batch_steps([one], predictor, QUICK, tmp_path))
        return report, sum(float(area.get("mm2", 0)) for area in report.entries[0].areas)

    _, first = go(source(0.25))
    assert go(source(0.25))[0].resumed
    report, second = go(source(1.0))
    assert not report.resumed
    assert second > 10 * first
    assert not go(source(1.0, tissue[::-1].copy()))[0].resumed


def test_two_runs_on_one_folder(again, tmp_path: Path) -> None:
    before = (tmp_path / "out" / LEDGER_NAME).read_bytes()
    with (
        locked_folder(tmp_path / "out"),
        pytest.raises(ConfigurationError, match=r"no other run is writing to.*process \d+"),
    ):
        again()
    assert (tmp_path / "out" / LEDGER_NAME).read_bytes() == before
    assert len(again()[0].resumed) == 2


def test_what_killed_runs_left_goes(again, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".batch.csv.0123abcd.part").write_text("half")
    for hidden in (out / ".napari-construct-dead0000", out / "deep" / ".napari-construct-dead0000"):
        hidden.mkdir()
        (hidden / ".lock").write_text("")
        (hidden / "half").write_text("half")
    assert len(again()[0].resumed) == 2
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_joined_mask_that_somebody_worked_on(predictor, folder: Path, tmp_path: Path) -> None:
    def go(*images: str, overwrite: bool = False) -> list[str]:
        said: list[Event] = []
        sources = find_sources([folder / name for name in images])
        run(run_batch_steps(sources, predictor, QUICK, tmp_path / "out", overwrite=overwrite), said.append)
        return [event.message for event in said if isinstance(event, Notice)]

    go("stack.tif")
    path = tmp_path / "out" / "stack_mask.tif"
    written = path.read_bytes()
    tifffile.imwrite(path, np.zeros((3, 128, 128), np.uint8), photometric="minisblack")
    edited = path.read_bytes()
    assert go("stack.tif", "a.png") == [
        "stack_mask.tif was changed since it was written, and is kept as it is"
    ]
    assert path.read_bytes() == edited
    (tmp_path / "out" / "stack_p2_mask.tif").unlink()
    with pytest.raises(ConfigurationError, match=r"stack_mask\.tif.*a plane is segmented again.*--overwrite"):
        go("stack.tif")
    assert path.read_bytes() == edited
    go("stack.tif", overwrite=True)
    assert path.read_bytes() == written


def test_another_model_of_the_same_name_is_another_run(predictor, folder: Path, tmp_path: Path) -> None:
    sources = find_sources([folder / "a.png"])
    run(run_batch_steps(sources, predictor, QUICK, tmp_path / "out"))
    config = predictor.checkpoint.config
    other = checkpoint_of(build_model(config, TinyEncoder(), 2, seed=5), predictor.classes, mpp=0.25)
    for changed, what in (
        (Predictor(other, "cpu", encoder=TinyEncoder(), name="tiny"), "model"),
        (
            Predictor(
                predictor.checkpoint, "cpu", encoder=TinyEncoder(seed=9), name="tiny", any_encoder=True
            ),
            "encoder",
        ),
    ):
        with pytest.raises(ConfigurationError, match=f"got different {what}"):
            run(run_batch_steps(sources, changed, QUICK, tmp_path / "out"))
