"""A whole slide from the Segment widget: into a folder, filling, stopped, gone on with."""

from __future__ import annotations

import json
import os
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QCheckBox
from tests.widgets.conftest import button, run_job
from typer.testing import CliRunner

from napari_construct import segment_slide
from napari_construct.cli import app
from napari_construct.data import images, listing
from napari_construct.data.slides.slide import open_slide
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides import job, shards
from napari_construct.widgets.files import filling_pyramid
from napari_construct.widgets.layers import METADATA_KEY, outcome_of
from napari_construct.widgets.layers.slide_levels import slide_arrays
from napari_construct.widgets.layers.slides import slide_options
from napari_construct.widgets.segment.segment_tissue import SegmentTissue
from napari_construct.widgets.segment.slide_job import MaskBegun, MaskGrown

pytestmark = pytest.mark.gui

MPP = 0.25


def write_slide(path: Path, tissue: np.ndarray, *, mpp: float | None = MPP) -> Path:
    """A tiled pyramid of 1040 x 1056 pixels: tissue, and glass around it."""
    image = np.full((1040, 1056, 3), 247, np.uint8)
    image[16:1040, 16:1040] = np.tile(tissue, (4, 4, 1))
    image[300:700, 100:300] = 247
    scale: dict[str, Any] = {}
    if mpp is not None:
        scale = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        options: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        file.write(image, subifds=1, **options, **scale)
        file.write(image[::2, ::2], subfiletype=1, **options)
    return path


def add_slide(viewer: Any, path: Path) -> Any:
    slide = open_slide(path)
    return viewer.add_image(slide_arrays(slide), **slide_options(slide))


@pytest.fixture(scope="module")
def tissue(camelyon: Path) -> np.ndarray:
    """256 px of a real H&E region."""
    return images.read_image(listing.list_images(camelyon / "val" / "img")[-1]).pixels


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory, tissue: np.ndarray) -> Path:
    return write_slide(tmp_path_factory.mktemp("slides") / "slide.tif", tissue)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, slide_file: Path, checkpoint: Path) -> Path:
    """What the plain function writes."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "SHARD", 512)
        patch.setattr(shards, "BLOCK", 256)
        segment_slide(slide_file, checkpoint, SETTINGS, folder=folder)
    return folder


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 512 pixels: nine of them."""
    monkeypatch.setattr(job, "SHARD", 512)
    monkeypatch.setattr(shards, "BLOCK", 256)


SETTINGS = SegmentSettings(crf=None, classes=("tumour", "lymphoid"), tile=320, overlap=64)


def open_segment(qtbot: Any, viewer: Any, checkpoint: Path, folder: Path | None = None) -> SegmentTissue:
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)
    widget.setValue(SETTINGS)
    if folder is not None:
        widget._slide.target.setFolder(str(folder))
        widget._refresh()
    return widget


def looked(qtbot: Any, widget: SegmentTissue) -> str:
    """What is said of the folder."""
    target = widget._slide.target
    qtbot.waitUntil(lambda: target._found is not None, timeout=60_000)
    return target._note.text()


def masks(viewer: Any) -> list[Any]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def stop_after(qtbot: Any, widget: SegmentTissue, kind: type, number: int) -> list[Any]:
    """Run, and cancel at the event of this kind and number; what the mask held then."""
    seen: list[Any] = []

    def follow(event: Any) -> None:
        if isinstance(event, kind):
            seen.append(event)
            if len(seen) == number:
                widget.cancel()

    widget.control.progressed.connect(follow)
    widget.run()
    assert widget.isRunning(), widget.message()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    widget.control.progressed.disconnect(follow)
    return seen


def labels_of(folder: Path) -> np.ndarray:
    return np.asarray(zarr.open_group(folder / "slide_mask.ome.zarr/labels/tissue", mode="r")["0"][:])


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_slide_is_segmented_into_a_folder(qtbot, viewer, slide_file, checkpoint, once, tmp_path) -> None:
    image = add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint)
    assert widget.source.region() == "slide"
    assert widget._slide.target.folder() == str(slide_file.parent / "results")
    widget._slide.target.setFolder(str(tmp_path / "results"))
    widget._refresh()
    said = looked(qtbot, widget)
    assert "slide_mask.ome.zarr, slide_overlay.png, slide_areas.csv and slide.json" in said
    assert "1,040 x 1,056 labels at 0.25 µm" in said
    ticks = {box.text(): box for box in widget.findChildren(QCheckBox)}
    assert not ticks["Show class maps"].isEnabled()
    assert "no maps are kept" in ticks["Show class maps"].toolTip()
    run_job(qtbot, widget)
    (mask,) = masks(viewer)
    assert mask.name == "slide mask"
    assert mask.multiscale
    np.testing.assert_allclose(mask.scale, MPP)
    np.testing.assert_allclose(mask.extent.world[1], image.extent.world[1], atol=1.01 * MPP)
    expected = json.loads((once / "slide.json").read_text(encoding="utf-8"))["areas"]
    stored = labels_of(tmp_path / "results")
    assert (stored == labels_of(once)).all()
    for number, level in enumerate(mask.data):
        wanted = zarr.open_group(once / "slide_mask.ome.zarr/labels/tissue", mode="r")
        assert (np.asarray(level) == wanted[str(number)][:]).all()
    outcome = outcome_of(mask)
    assert outcome is not None
    for one, area in zip(outcome.planes[0].classes, expected, strict=True):
        assert (one.name, one.pixels) == (area["class"], area["pixels"])
    assert list(mask.features["mm2"]) == [area["mm2"] for area in expected]
    assert mask.metadata[METADATA_KEY]["record"]["input"]["name"] == "slide.tif"
    assert f"Written to {tmp_path / 'results'}." in widget.message()
    assert "% of the tissue" in widget.message()
    assert mask in viewer.layers.selection
    assert (tmp_path / "results" / "slide_overlay.png").exists()
    assert button(widget, "Open the folder of the results").isVisibleTo(widget)
    assert not button(widget, "Correct the mask").isVisibleTo(widget)
    assert "Replaces the result of" in looked(qtbot, widget)


def test_the_mask_fills_while_the_run_goes_on(
    qtbot, viewer, slide_file, checkpoint, once, tmp_path, monkeypatch
) -> None:
    add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    copied: list[int] = []
    copy = filling_pyramid.FillingPyramid._copy

    def counted(self: Any, shard: Any) -> None:
        copied.append(threading.get_ident())
        copy(self, shard)

    monkeypatch.setattr(filling_pyramid.FillingPyramid, "_copy", counted)
    filled: list[float] = []
    shares: list[float] = []

    def follow(event: Any) -> None:
        shares.append(widget.control._progress._left.now().share)
        if isinstance(event, MaskBegun):
            assert len(masks(viewer)) == 1  # at once, and empty
            assert not np.asarray(masks(viewer)[0].data[-1]).any()
        if isinstance(event, MaskGrown):
            filled.append(float((np.asarray(masks(viewer)[0].data[1]) > 0).mean()))

    widget.control.progressed.connect(follow)
    run_job(qtbot, widget)
    assert len(copied) == 9  # each shard once
    assert threading.get_ident() not in copied
    assert filled == sorted(filled)
    assert len(set(filled)) > 3
    assert max(shares[: len(shares) // 2]) < 1
    assert np.unique(masks(viewer)[0]._slice.thumbnail.raw).tolist() != [0]


def test_a_stopped_run_goes_on(qtbot, viewer, slide_file, checkpoint, once, tmp_path) -> None:
    add_slide(viewer, slide_file)
    folder = tmp_path / "out"
    widget = open_segment(qtbot, viewer, checkpoint, folder)
    stop_after(qtbot, widget, MaskGrown, 2)
    assert widget.message().startswith("Stopped.")
    assert "press the button again to go on" in widget.message()
    (mask,) = masks(viewer)
    assert (np.asarray(mask.data[1]) > 0).any()
    assert not (folder / "slide.json").exists()
    assert "Goes on with the run of" in looked(qtbot, widget)
    qtbot.waitUntil(lambda: button(widget, "Segment").text().startswith("Go on segmenting"))
    said: list[str] = []
    widget.control.progressed.connect(
        lambda event: said.append(widget.message()) if isinstance(event, MaskGrown) else None
    )
    run_job(qtbot, widget)
    assert said[0].startswith("Going on with the run of ")
    assert "of 9 parts of the mask are done" in said[0]
    assert masks(viewer) == [mask]  # the same layer
    assert content(folder / "slide_mask.ome.zarr") == content(once / "slide_mask.ome.zarr")
    assert (np.asarray(mask.data[0]) == labels_of(once)).all()


def test_cancel_acts_within_the_network_and_after_it_another_session_goes_on(
    qtbot, viewer, slide_file, checkpoint, once, tmp_path
) -> None:
    add_slide(viewer, slide_file)
    folder = tmp_path / "out"
    widget = open_segment(qtbot, viewer, checkpoint, folder)
    seen: list[Any] = []

    def follow(event: Any) -> None:
        if event.stage == "tiles" and event.done:
            seen.append(event)
            widget.cancel()

    widget.control.progressed.connect(follow)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    widget.control.progressed.disconnect(follow)
    assert seen
    assert seen[0].done < seen[0].total
    assert len(masks(viewer)) == 1
    viewer.layers.remove(masks(viewer)[0])
    other = open_segment(qtbot, viewer, checkpoint, folder)
    assert "Goes on with the run of" in looked(qtbot, other)
    run_job(qtbot, other)
    assert (labels_of(folder) == labels_of(once)).all()


def test_other_settings_say_that_they_replace(qtbot, viewer, slide_file, checkpoint, tmp_path) -> None:
    add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    stop_after(qtbot, widget, MaskGrown, 2)
    widget.setValue(SETTINGS.changed(min_confidence=0.2))
    qtbot.waitUntil(lambda: "Replaces the unfinished run of" in widget._slide.target._note.text())
    run_job(qtbot, widget)
    assert len(masks(viewer)) == 1
    record = json.loads((tmp_path / "out" / "slide.json").read_text(encoding="utf-8"))
    assert record["settings"]["min_confidence"] == 0.2


def test_what_is_in_the_way_is_said_and_stays(
    qtbot, viewer, slide_file, checkpoint, tmp_path, tissue
) -> None:
    add_slide(viewer, slide_file)
    theirs = tmp_path / "mine"
    theirs.mkdir()
    (theirs / "slide.json").write_text('{"mine": 1}', encoding="utf-8")
    widget = open_segment(qtbot, viewer, checkpoint, theirs)
    qtbot.waitUntil(lambda: "slide.json" in widget.control.blockedReason(), timeout=60_000)
    assert "did not make" in widget.control.blockedReason()
    widget.run()
    assert not widget.isRunning()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    widget._slide.target.setFolder(str(tmp_path / "file" / "inside"))
    widget._refresh()
    qtbot.waitUntil(lambda: "is no folder" in widget.control.blockedReason(), timeout=60_000)
    # a slide of the same name, of another patient
    (tmp_path / "b").mkdir()
    other = write_slide(tmp_path / "b" / "slide.tif", tissue[::-1])
    segment_slide(other, checkpoint, SETTINGS, folder=tmp_path / "shared")
    widget._slide.target.setFolder(str(tmp_path / "shared"))
    widget._refresh()
    qtbot.waitUntil(lambda: "belongs to another file" in widget.control.blockedReason(), timeout=60_000)
    assert (theirs / "slide.json").read_text(encoding="utf-8") == '{"mine": 1}'


def test_a_full_disk_loses_nothing(
    qtbot, viewer, slide_file, checkpoint, once, tmp_path, monkeypatch
) -> None:
    add_slide(viewer, slide_file)
    folder = tmp_path / "out"
    widget = open_segment(qtbot, viewer, checkpoint, folder)
    from napari_construct.export import label_pyramid

    put, calls = label_pyramid.put, []

    def full(path: Path, block: Any) -> None:
        calls.append(path)
        if len(calls) > 12:
            raise OSError(28, "No space left on device")
        put(path, block)

    monkeypatch.setattr(label_pyramid, "put", full)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    assert "No space left on device" in widget.message()
    assert "free some space" in widget.message()
    monkeypatch.setattr(label_pyramid, "put", put)
    assert "Goes on with the run of" in looked(qtbot, widget)
    run_job(qtbot, widget)
    assert (labels_of(folder) == labels_of(once)).all()


def test_an_unknown_pixel_size_is_asked_for(qtbot, viewer, checkpoint, tmp_path, tissue) -> None:
    add_slide(viewer, write_slide(tmp_path / "slide.tif", tissue, mpp=None))
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    assert "Choose the pixel size of the slide" in widget.control.blockedReason()
    widget.source._size._give(0.25)
    looked(qtbot, widget)
    assert not widget.control.blockedReason()
    assert "mpp=0.25" in widget._slide.text(widget.request(), as_script=True)
    run_job(qtbot, widget)
    record = json.loads((tmp_path / "out" / "slide.json").read_text(encoding="utf-8"))
    assert record["input"]["mpp"] == 0.25


def test_the_mask_lies_on_a_layer_that_was_moved(qtbot, viewer, slide_file, checkpoint, tmp_path) -> None:
    image = add_slide(viewer, slide_file)
    image.rotate, image.translate = 30.0, (100.0, -40.0)
    image.affine = np.array([[1.0, 0.2, 3.0], [0.0, 1.1, 4.0], [0.0, 0.0, 1.0]])
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    widget.setValue(SETTINGS.changed(mpp=0.125))  # two pixels of the slide along a label
    run_job(qtbot, widget)
    (mask,) = masks(viewer)
    assert mask.data[0].shape == (520, 528)
    for label in ((0, 0), (400, 17)):
        middle = np.array(label) * 2 + 0.5
        np.testing.assert_allclose(mask.data_to_world(label), image.data_to_world(middle), atol=1e-6)


def test_recipes_write_the_same(qtbot, viewer, slide_file, checkpoint, once, tmp_path) -> None:
    add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    looked(qtbot, widget)
    button(widget, "Copy as Python").click()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    script = clipboard.text()
    exec(compile(script, "script", "exec"), {})
    copied = labels_of(tmp_path / "out")
    assert (copied == labels_of(once)).all()
    widget._slide.target.setFolder(str(tmp_path / "typed"))
    widget._refresh()
    button(widget, "Copy as Command line").click()
    program, *words = shlex.split(clipboard.text())
    assert program == "napari-construct"
    assert "--whole-slide" in words
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert (labels_of(tmp_path / "typed") == labels_of(once)).all()


def test_pictures_stay_pictures(qtbot, viewer, checkpoint, tmp_path, tissue, slide_file) -> None:
    path = tmp_path / "picture.tif"
    resolution = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, tissue, tile=(256, 256), photometric="rgb", **resolution)
    picture = add_slide(viewer, path)
    slide = add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint)
    assert widget.source.region() == "slide"
    widget.setLayer(picture)
    assert widget.source.region() == "whole"
    assert widget.source.slide() is None
    assert not widget._slide.target.isVisibleTo(widget)
    widget.setLayer(slide)
    assert widget.source.region() == "slide"
    widget.source.setRegion("whole")
    assert widget.source.slide() is None
    run_job(qtbot, widget)
    assert [type(layer.data) for layer in masks(viewer)] == [np.ndarray]


def test_the_window_answers_and_memory_is_bounded(qtbot, viewer, slide_file, checkpoint, tmp_path) -> None:
    add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "out")
    looked(qtbot, widget)
    held: list[int] = []
    longest: list[float] = []  # seconds of the processor: others may use it, too

    def follow(event: Any) -> None:
        if isinstance(event, MaskGrown):
            held.append(sum(level.nbytes for level in masks(viewer)[0].data if isinstance(level, np.ndarray)))
            began = time.thread_time()
            widget._slide.mask._draw()
            longest.append(time.thread_time() - began)

    widget.control.progressed.connect(follow)
    run_job(qtbot, widget)
    assert max(held) <= 1040 * 1056 / 3  # all levels but the finest
    assert np.median(longest) < 0.05


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_the_folder_is_remembered(qtbot, viewer, slide_file, checkpoint, tmp_path) -> None:
    add_slide(viewer, slide_file)
    widget = open_segment(qtbot, viewer, checkpoint, tmp_path / "chosen")
    stop_after(qtbot, widget, MaskBegun, 1)
    other = open_segment(qtbot, viewer, checkpoint)
    assert other._slide.target.folder() == str(tmp_path / "chosen")
