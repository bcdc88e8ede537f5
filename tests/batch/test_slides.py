"""Slides beside images in a batch: a folder of faults, a resumed slide, a dry run, time left."""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from tests.large_slides import TILE, write_large_slide

from napari_construct.batch.entries import Entry
from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.preview import in_short, preview_steps
from napari_construct.batch.report import BatchReport
from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import find_sources, look_for_sources
from napari_construct.batch.summary import totals_of
from napari_construct.batch.time_left import BatchTimeLeft, Size
from napari_construct.data import limits
from napari_construct.data.masks import read_mask
from napari_construct.data.slides.slide import open_slide
from napari_construct.events import Event, Steps, TimeTold, run
from napari_construct.events.time_left import TimeLeft
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.segment import segment_slide_steps
from napari_construct.results.stored_pyramid import open_pyramid

QUICK = BatchSettings(model="tiny", segment=SegmentSettings(tile=512, overlap=32, crf=None, mpp=None))


def labels_of(path: Path) -> np.ndarray:
    return np.asarray(zarr.open_group(path / "labels/tissue", mode="r")["0"][:])


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def states(output: Path) -> dict[str, str]:
    return {entry.name: entry.state for entry in read_ledger(output / LEDGER_NAME)[1].values()}


def go(folder: Path, predictor: Predictor, output: Path, **ways: bool) -> BatchReport:
    return run(run_batch_steps(find_sources([folder]), predictor, QUICK, output, **ways))


SIDE = 8 * TILE
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "slides"


@pytest.fixture(autouse=True)
def _small_ones_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than eight megapixels are a slide: the tests of the command have one of 105."""
    monkeypatch.setattr(limits, "MAX_PIXELS", 8_000_000)


@pytest.fixture
def slides(tissue: np.ndarray, tmp_path: Path) -> Path:
    """Two slides and an image."""
    root = tmp_path / "slides"
    root.mkdir()
    write_large_slide(root / "b.tif", tissue, side=SIDE)
    Image.fromarray(tissue).save(root / "c.png")
    write_large_slide(
        root / "d.svs", tissue, side=SIDE, first=np.full((300, 400, 3), 90, np.uint8), at=(5, 5)
    )
    return root


def faults(folder: Path, tissue: np.ndarray) -> dict[str, str]:
    """Put what is wrong beside good slides; names of entries, and a part of what is to be said of them."""
    whole = (folder / "b.tif").read_bytes()
    (folder / "text.svs").write_text("not a slide", encoding="utf-8")
    (folder / "cut.svs").write_bytes(whole[: len(whole) // 2])
    (folder / "cut2.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.ndpi").write_bytes(b"")
    (folder / "named.svs").mkdir()
    (folder / "alone.mrxs").write_bytes(b"\xff\xd8\xff\xe0 a picture of the label")
    write_large_slide(folder / "plain.tif", tissue, side=SIDE, mpp=None, levels=1)
    return {
        "text": "expected a slide .*got something else; .*saved as tiled TIFF",
        "cut": "expected a complete image, the file is damaged or truncated .*get it again",
        "cut2": "expected a complete image, the file is damaged or truncated .*get it again",
        "empty": "expected .*the file is empty; get it again",
        "named": "expected a slide .*got a folder; name a file in it",
        "alone": "expected a folder 'alone' beside the MRXS file.*copy both together",
        "plain": r"expected micrometres per pixel in the slide, found none; give them \(--mpp",
    }


def test_a_folder_of_faults(predictor: Predictor, slides: Path, tissue: np.ndarray, tmp_path: Path) -> None:
    expected = faults(slides, tissue)
    deep = np.tile(tissue, (2, 2, 1)).astype(np.uint16) * 200
    tifffile.imwrite(slides / "deep.tif", deep, photometric="rgb", tile=(128, 128))
    good = {"b", "c", "d", "deep"}
    previews = run(preview_steps(find_sources([slides]), predictor, QUICK, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    report = go(slides, predictor, tmp_path / "out")
    assert {entry.name for entry in report.done} == good
    found = {entry.name: entry.error for entry in report.failed}
    assert found.keys() == expected.keys()
    with (tmp_path / "out" / "batch.csv").open(encoding="utf-8") as stream:
        table = {Path(row["item"]).name: row["error"] for row in csv.DictReader(stream)}
    foretold = {Path(one.key).name: one.why for one in previews if one.action == "fail"}
    for entry in report.failed:
        name = Path(entry.key).name
        assert re.search(expected[entry.name], entry.error), entry
        assert table[name] == entry.error
        assert entry.error.endswith(foretold[name])
    assert foretold.keys() == {Path(entry.key).name for entry in report.failed}
    # each good one is right
    for name, place in (("b", (2, 3)), ("d", (5, 5))):
        labels = labels_of(tmp_path / "out" / f"{name}_mask.ome.zarr")
        rows, columns = (slice(at * TILE, (at + 2) * TILE) for at in place)
        assert labels[rows, columns].any()
        outside = labels.copy()
        outside[rows.start - 64 : rows.stop + 64, columns.start - 64 : columns.stop + 64] = 0
        assert not outside.any()
    assert read_mask(tmp_path / "out" / "deep_mask.tif").shape == (256, 256)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    assert not [name for name in left if name.split(".")[0].split("_")[0] in expected]


def test_a_slide_is_what_segmenting_it_alone_gives(
    predictor: Predictor, slides: Path, tmp_path: Path
) -> None:
    report = go(slides / "b.tif", predictor, tmp_path / "out")
    with open_slide(slides / "b.tif") as slide:
        alone = run(segment_slide_steps(slide, predictor, QUICK.segment, folder=tmp_path / "alone", stem="b"))
    (entry,) = report.done
    assert content(tmp_path / "out" / entry.files["zarr"]).keys() == content(alone.path).keys()
    np.testing.assert_array_equal(labels_of(tmp_path / "out" / entry.files["zarr"]), labels_of(alone.path))
    assert [area["pixels"] for area in entry.areas] == [row["pixels"] for row in alone.areas]
    assert open_pyramid(tmp_path / "out" / entry.files["zarr"]).complete


def test_a_stopped_slide_goes_on_inside(predictor: Predictor, slides: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (slides / "c.png").unlink()
    steps = run_batch_steps(find_sources([slides]), predictor, QUICK, output)
    for event in steps:
        if event.stage == "refine" and event.done == 2:
            break
    steps.close()
    assert states(output) == {"b": "running"}
    maps = output / ".b.maps"
    assert maps.is_dir()
    old = time.time() - 10 * 3600  # the run was stopped yesterday
    for path in (maps, *maps.iterdir()):
        os.utime(path, (old, old))
    (foretold, waiting) = run(preview_steps(find_sources([slides]), predictor, QUICK, output))
    assert foretold.action == "go on"
    assert foretold.why.startswith("2 of ")
    assert waiting.action == "segment"
    seen: list[Event] = []
    report = run(run_batch_steps(find_sources([slides]), predictor, QUICK, output), seen.append)
    first = [event for event in seen if event.stage == "tiles"]
    assert first[0].done == first[0].total  # the network does not look again
    assert len(report.done) == 2
    assert not maps.exists()
    go(slides, predictor, tmp_path / "once")
    for name in ("b", "d"):
        again = content(output / f"{name}_mask.ome.zarr")
        assert again == content(tmp_path / "once" / f"{name}_mask.ome.zarr")
    # finished ones are skipped, changed and damaged ones done again
    assert len(go(slides, predictor, output).resumed) == 2
    previews = run(preview_steps(find_sources([slides]), predictor, QUICK, output))
    assert [one.action for one in previews] == ["skip", "skip"]
    (output / "b_mask.ome.zarr" / "labels" / "tissue" / "0" / "zarr.json").unlink()
    assert {Path(key).name for key in go(slides, predictor, output).resumed} == {"d.svs"}


def test_files_of_others_and_edited_results(predictor: Predictor, slides: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "b.json"
    theirs.parent.mkdir()
    theirs.write_text("drawn by hand", encoding="utf-8")
    with pytest.raises(Exception, match=r"b\.json"):
        go(slides / "b.tif", predictor, tmp_path / "out")
    assert theirs.read_text(encoding="utf-8") == "drawn by hand"
    assert len(go(slides / "b.tif", predictor, tmp_path / "out", overwrite=True).done) == 1
    assert json.loads(theirs.read_text(encoding="utf-8"))["input"]["name"] == "b.tif"
    # results are no slides
    assert not [s for s in look_for_sources([tmp_path / "out", slides]).sources if "out" in s.key]


def test_the_dry_run_tells_size_tissue_and_time(predictor: Predictor, slides: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    previews = run(preview_steps(find_sources([slides]), predictor, QUICK, tmp_path / "out"))
    assert sorted(tmp_path.rglob("*")) == before
    b, c, d = previews
    assert (b.kind, c.kind, d.kind) == ("slide", "image", "slide")
    assert b.extent is not None
    assert b.extent.shape == (SIDE, SIDE)
    assert b.extent.mpp == pytest.approx((0.25, 0.25))
    assert b.tiles is not None
    assert b.tissue_tiles is not None
    assert 1 <= b.tissue_tiles <= 16 < b.tiles
    assert b.seconds is None
    assert "time not known" in in_short(previews)
    go(slides / "b.tif", predictor, tmp_path / "out")
    b, c, d = run(preview_steps(find_sources([slides]), predictor, QUICK, tmp_path / "out"))
    assert b.action == "skip"
    assert d.seconds is not None
    assert d.seconds > 0
    assert "about" in in_short((b, c, d))
    assert str(d).startswith("segment: ")


def test_summary_over_images_and_slides() -> None:
    area = {"class": "tumour", "pixels": 100, "percent_of_tissue": 50.0}
    other = {"class": "stroma", "pixels": 0, "percent_of_tissue": 0.0}
    entries = [
        Entry("a", "a", "done", areas=(area, other), tissue_pixels=200, mm2_per_pixel=1e-6),
        Entry("b", "b", "done", areas=({**area, "mm2": 4e-4}, other), tissue_pixels=1000, mm2_per_pixel=4e-6),
        Entry("c", "c", "done", areas=({**area, "pixels": 7}, other), tissue_pixels=70),
        Entry("d", "d", "failed"),
    ]
    tumour, stroma, tissue = totals_of(entries, ("tumour", "stroma"))
    assert tumour.pixels == 207
    assert tumour.mm2 == pytest.approx(5e-4)
    assert tissue.mm2 == pytest.approx(42e-4)
    assert tumour.percent_of_tissue == pytest.approx(100 * 5 / 42)
    assert (tumour.images, stroma.images, tissue.without_size) == (3, 0, 1)
    (only, _, _) = totals_of(entries[2:], ("tumour", "stroma"))
    assert only.mm2 is None
    assert only.percent_of_tissue == pytest.approx(10)
    (old, _) = totals_of([Entry("a", "a", "done", areas=(area,))], ("tumour",))
    assert old.percent_of_tissue == pytest.approx(50)  # of an earlier version


def _work(clock: list[float], tiles: int, parts: int, cost: float) -> Steps[None]:
    """A slide whose tiles and parts take time."""
    yield Event("tiles", 0, tiles)
    for i in range(tiles):
        clock[0] += cost
        yield Event("tiles", i + 1, tiles)
    yield Event("refine", 0, parts)
    for i in range(parts):
        clock[0] += 2 * cost * tiles / parts
        yield Event("refine", i + 1, parts)


def test_time_left_over_slides_and_images() -> None:
    """Tiles of a megapixel, 30 of a slide and one of an image; a second of network, two of refining each."""
    clock = [0.0]
    sizes = [Size(100.0, slide=True), Size(1.0), Size(100.0, slide=True), Size(None)]
    left = BatchTimeLeft(sizes, tile=1.0, clock=lambda: clock[0])
    shown = TimeLeft(clock=lambda: clock[0])
    truth, errors, told = 3.0 * (30 + 1 + 30 + 1), [], 0
    for tiles in (30, 1, 30, 1):
        for event in left.following(_work(clock, tiles, 6 if tiles > 1 else 1, 1.0)):
            found = shown.update(event)
            if isinstance(event, TimeTold) and event.seconds is not None:
                told += 1
                assert found.seconds == event.seconds
                if clock[0] > truth / 4:
                    errors.append(abs(event.seconds - (truth - clock[0])) / truth)
        left.end(done=True)
    assert told > 50
    assert max(errors) < 0.15
    assert shown.now().share > 0.95


def test_a_failed_slide_teaches_nothing() -> None:
    clock = [0.0]
    left = BatchTimeLeft([Size(1.0), Size(1.0), Size(1.0)], tile=1.0, clock=lambda: clock[0])

    def broken() -> Iterator[Event]:
        clock[0] += 100
        yield Event("tiles", 0, 1)
        return None

    for _ in left.following(broken()):  # type: ignore[arg-type]
        pass
    left.end(done=False)
    times = [e for e in left.following(_work(clock, 1, 1, 4.0)) if isinstance(e, TimeTold)]
    assert times[-1].seconds == pytest.approx(12, rel=0.3)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the slides of ../shared/data")
def test_real_slides(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One states its resolution; the other does not, and is named with what to do."""
    monkeypatch.setattr(limits, "MAX_PIXELS", 5_000_000)
    report = go(REAL, predictor, tmp_path / "out")
    (done,), (failed,) = report.done, report.failed
    assert done.name == "CMU-1-Small-Region"
    assert sum(area["percent_of_tissue"] for area in done.areas) > 50
    assert report.totals[-1].mm2 is not None
    whole = 2967 * 2220 * 0.499**2 * 1e-6
    assert 0.25 * whole < report.totals[-1].mm2 < whole
    assert "expected micrometres per pixel" in failed.error
    assert "--mpp" in failed.error
