"""Batch in a real viewer, on files, a broken file, a stack and layers, with a small real network."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QCheckBox, QWidget
from tests.widgets import person
from tests.widgets.conftest import button

from napari_construct.batch.ledger import read_ledger
from napari_construct.batch.settings import BatchSettings
from napari_construct.data.masks import read_mask
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch

pytestmark = pytest.mark.gui

QUICK = SegmentSettings(tile=128, overlap=32, crf=None)


@pytest.fixture
def folder(tissue, tmp_path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    part = tissue[:128, :128]
    Picture.fromarray(part).save(root / "a.png")
    Picture.fromarray(part[::-1].copy()).save(root / "b.png")
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    tifffile.imwrite(root / "stack.tif", np.stack([part, part[:, ::-1]]), photometric="rgb")
    return root


@pytest.fixture
def widget(qtbot, viewer, checkpoint, tmp_path) -> Batch:
    widget = Batch(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    widget.setValue(BatchSettings(model=str(checkpoint), segment=QUICK, outputs=("mask", "cams")))
    widget.setOutput(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: not widget._loader.isLoading(), timeout=60_000)
    return widget


def run(qtbot, widget: Batch) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())


def states(widget: Batch) -> dict[str, str]:
    return {entry.name: entry.state for entry in widget._inputs.items().entries()}


@pytest.mark.parametrize(
    "value",
    [
        BatchSettings(),
        BatchSettings(outputs=("zarr",), segment=SegmentSettings(tile=256, overlap=16, views="six")),
        BatchSettings(segment=SegmentSettings(crf=None, classes=("tumour",), presence_threshold=0.3)),
    ],
)
def test_value_is_what_was_set(widget, value) -> None:
    widget.setValue(value)
    assert widget.value() == value


def test_says_what_is_missing(qtbot, viewer) -> None:
    widget = Batch(viewer)
    qtbot.addWidget(widget)
    assert "Add images" in widget.message()
    widget.addPaths(["a.png"])
    assert "folder for the results" in widget.message()
    widget.setOutput("out")
    for box in widget._outputs._boxes.values():
        box.setChecked(False)
    assert "Tick what" in widget.message()


def test_folder_with_a_broken_file(qtbot, widget, folder, checkpoint, tissue, tmp_path, monkeypatch) -> None:
    widget.addPaths([str(folder)])
    assert "Open the folder" not in person.words(widget)
    run(qtbot, widget)
    assert states(widget) == {
        "a": "done",
        "b": "done",
        "broken": "failed",
        "stack_p1": "done",
        "stack_p2": "done",
    }
    assert "4 of 5 done" in widget.message()
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    button(widget, "Open the folder").click()
    assert [Path(path) for path in opened] == [tmp_path / "out"]
    assert "1 failed" in widget.message()
    row = list(states(widget)).index("broken")
    assert "broken.png" in widget._inputs.items().item(row, 1).toolTip()
    expected = segment(tissue[:128, :128].copy(), checkpoint, QUICK)
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a_mask.tif"), expected.labels)
    run(qtbot, widget)
    assert "4 of them before" in widget.message()


def test_a_file_of_others_stops_the_run_before_it_begins(qtbot, widget, folder, tmp_path) -> None:
    theirs = tmp_path / "out" / "a.json"
    theirs.parent.mkdir()
    theirs.write_text("drawn by hand", encoding="utf-8")
    widget.addPaths([str(folder)])
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert str(theirs) in widget.message()
    assert list(theirs.parent.iterdir()) == [theirs]
    assert theirs.read_text(encoding="utf-8") == "drawn by hand"


def test_files_of_others_are_replaced_where_it_is_ticked(qtbot, widget, folder, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.json").write_text("drawn by hand", encoding="utf-8")
    widget.addPaths([str(folder / "a.png")])
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "Overwrite files of others" in widget.message()
    next(b for b in widget.findChildren(QCheckBox) if b.text() == "Overwrite files of others").setChecked(
        True
    )
    run(qtbot, widget)
    assert states(widget) == {"a": "done"}
    assert "drawn" not in (tmp_path / "out" / "a.json").read_text(encoding="utf-8")


def test_a_layer_with_another_pixel_size_is_segmented_again(qtbot, viewer, widget, tissue, tmp_path) -> None:
    pytest.importorskip("napari_construct.batch.fingerprints")
    layer = viewer.add_image(
        tissue[:128, :128], name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um")
    )
    widget.addLayer(layer)
    run(qtbot, widget)
    before = areas(tmp_path / "out" / "slide.json")
    run(qtbot, widget)
    assert "1 of them before" in widget.message()
    layer.scale = (1.0, 1.0)
    run(qtbot, widget)
    assert "before" not in widget.message()
    after = areas(tmp_path / "out" / "slide.json")
    assert sum(after) == pytest.approx(16 * sum(before), rel=1e-6)


def areas(record: Path) -> list[float]:
    """Square millimetres of the classes."""
    return [area["mm2"] for area in json.loads(record.read_text(encoding="utf-8"))["areas"]]


@pytest.mark.parametrize(
    "name",
    ["../x", "<b>x</b>", "a\nb", "/etc/passwd", "x" * 300, "\U0001f52c" * 200, "\u4e2d" * 200, "..", "CON:"],
)
def test_results_of_any_layer_stay_in_the_folder(qtbot, viewer, widget, tissue, tmp_path, name) -> None:
    before = set(tmp_path.iterdir())
    viewer.add_image(tissue[:64, :64], name=name, rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    button(widget, "Add the selected image layers, or all of them").click()
    run(qtbot, widget)
    assert set(states(widget).values()) == {"done"}
    assert set(tmp_path.iterdir()) - before == {tmp_path / "out"}


def test_layers_and_files_of_one_name_do_not_meet(qtbot, viewer, widget, tissue, folder, tmp_path) -> None:
    for name in ("a", "a b", "a_b", "A"):
        viewer.add_image(tissue[:64, :64], name=name, rgb=True)
    widget.addPaths([str(folder / "a.png")])
    for layer in viewer.layers:
        widget.addLayer(layer)
    run(qtbot, widget)
    assert list(states(widget)) == ["a", "a_2", "a_b", "a_b_2", "A_3"]


def test_stack_layer_gives_a_stack_of_labels(qtbot, viewer, widget, tissue) -> None:
    stack = np.stack([tissue[:128, :128], tissue[128:, 128:]])
    viewer.add_image(stack, name="my stack", rgb=True, scale=(2, 0.25, 0.25), units=("um",) * 3)
    button(widget, "Add the selected image layers, or all of them").click()
    run(qtbot, widget)
    labels = viewer.layers["my stack mask"]
    assert labels.data.shape == (2, 128, 128)
    np.testing.assert_allclose(labels.extent.world, viewer.layers["my stack"].extent.world)
    one = segment(stack[1].copy(), widget.value().model, QUICK, mpp=0.25)
    np.testing.assert_array_equal(labels.data[1], one.labels)


def test_cancel_keeps_what_is_done_and_the_next_run_goes_on(qtbot, widget, folder) -> None:
    widget.addPaths([str(folder)])

    def press(event: Any) -> None:
        if getattr(getattr(event, "entry", None), "state", "") == "done":
            widget.cancel()

    widget.control.progressed.connect(press)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "Cancelled" in widget.message()
    assert list(states(widget).values()).count("done") == 1
    widget.control.progressed.disconnect(press)
    run(qtbot, widget)
    assert "1 of them before" in widget.message()


def test_double_click_opens_image_and_result(qtbot, viewer, widget, folder) -> None:
    widget.addPaths([str(folder)])
    run(qtbot, widget)
    names = list(states(widget))
    widget._inputs.items().cellDoubleClicked.emit(names.index("a"), 0)
    qtbot.waitUntil(lambda: "a mask" in viewer.layers and not widget.isRunning())
    assert "a" in viewer.layers
    before = len(viewer.layers)
    widget._inputs.items().cellDoubleClicked.emit(names.index("broken"), 0)
    assert "broken.png" in widget.message()
    assert len(viewer.layers) == before


def test_rows_can_be_taken_off(qtbot, widget, folder) -> None:
    widget.addPaths([str(folder / "a.png"), str(folder / "b.png")])
    widget._inputs.items().selectRow(0)
    button(widget, "Remove the selected rows").click()
    assert [entry.name for entry in widget._inputs.items().entries()] == ["b.png"]


def test_names_that_are_no_text_are_shown_and_keep_their_row(qtbot, widget, folder) -> None:
    path = folder / os.fsdecode(b"Pr\xe4parat\n.png")
    (folder / "a.png").rename(path)
    widget.addPaths([str(path)])
    (entry,) = widget._inputs.items().entries()
    assert (entry.name, entry.key) == ("Pr%E4parat%0A.png", f"{folder}/Pr%E4parat%0A.png")
    widget._inputs.items().selectRow(0)
    button(widget, "Remove the selected rows").click()
    assert not widget._inputs.items().entries()


def test_what_is_copied_gives_identical_arrays(qtbot, widget, folder, tmp_path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    changed = QUICK.changed(min_confidence=0.505, presence_threshold=0.2, background={"brightness": 200})
    widget.setValue(widget.value().model_copy(update={"segment": changed}))
    widget.addPaths([str(folder / "a.png")])
    run(qtbot, widget)
    mask = read_mask(tmp_path / "out" / "a_mask.tif")
    for box in widget.findChildren(QCheckBox):
        if box.text() in ("Overwrite files of others", "Do everything again"):
            box.setChecked(True)
    for name, output in (("Command line", "again"), ("Python", "once more")):
        widget.setOutput(str(tmp_path / output))
        (tmp_path / output).mkdir()
        (tmp_path / output / "a.json").write_text("drawn by hand", encoding="utf-8")
        button(widget, f"Copy as {name}").click()
        text = QApplication.clipboard().text()
        assert "restart" in text
        if name == "Python":
            names: dict[str, Any] = {}
            exec(text, names)
        else:
            done = CliRunner().invoke(app, shlex.split(text)[1:])
            assert done.exit_code == 0, done.output
        np.testing.assert_array_equal(read_mask(tmp_path / output / "a_mask.tif"), mask)


def test_layers_cannot_be_copied_as_text(viewer, widget, tissue) -> None:
    widget.addLayer(viewer.add_image(tissue, rgb=True, name="slide"))
    button(widget, "Copy as Python").click()
    assert "outside of napari" in widget.message()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_dock_of_320_pixels(qtbot, viewer, widget, folder, theme) -> None:
    viewer.theme = theme
    widget.addPaths([str(folder)])
    assert widget.minimumSizeHint().width() <= 320
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300


def rows(widget: Batch) -> list[str]:
    return [entry.name for entry in widget._inputs.items().entries()]


def ledger(folder: Path) -> dict[str, str]:
    _, entries = read_ledger(folder / "batch.jsonl")
    return {key: entry.state for key, entry in entries.items()}


def at_first(widget: Batch, state: str, act: Callable[[], None]) -> None:
    """Act once, when an image is first said to be in a state."""
    done: list[bool] = []

    def look(event: Any) -> None:
        if getattr(getattr(event, "entry", None), "state", "") == state and not done:
            done.append(True)
            act()

    widget.control.progressed.connect(look)


def test_layers_are_followed_before_a_run(qtbot, viewer, widget, tissue, tmp_path) -> None:
    first = viewer.add_image(tissue[:128, :128], rgb=True, name="first")
    second = viewer.add_image(np.stack([tissue[:64, :64]] * 2), rgb=True, name="second")
    for layer in (first, second):
        widget.addLayer(layer)
    assert rows(widget) == ["first", "second (2 planes)"]
    first.name = "renamed"
    taken = viewer.add_image(tissue[128:, 128:], rgb=True, name="first")  # another one by the old name
    widget.addLayer(taken)
    assert rows(widget) == ["renamed", "second (2 planes)", "first"]
    viewer.layers.remove(second)
    assert rows(widget) == ["renamed", "first"]
    first.translate = (7, 5)  # as it is when the run is started, not when it was added
    run(qtbot, widget)
    assert ledger(tmp_path / "out") == {"renamed": "done", "first": "done"}
    np.testing.assert_array_equal(viewer.layers["renamed mask"].translate, (7, 5))
    one = segment(tissue[128:, 128:].copy(), widget.value().model, QUICK)
    np.testing.assert_array_equal(viewer.layers["first mask"].data, one.labels)
    viewer.layers.clear()
    assert "Add images" in widget.control.blockedReason()
    assert states(widget) == {"renamed": "done", "first": "done"}  # what became of them stays on view


def test_layer_renamed_while_it_is_worked_on(qtbot, viewer, widget, tissue, tmp_path) -> None:
    layer = viewer.add_image(tissue, rgb=True, name="slide")
    widget.addLayer(layer)

    def rename() -> None:
        layer.name = "other"

    at_first(widget, "running", rename)
    run(qtbot, widget)
    assert states(widget) == ledger(tmp_path / "out") == {"slide": "done"}
    assert [one.name for one in viewer.layers] == ["other", "slide mask"]
    run(qtbot, widget)  # the ledger knows pixels, and names them anew
    assert states(widget) == {"other": "done"}
    assert ledger(tmp_path / "out") == {"slide": "done", "other": "done"}


def test_layers_deleted_while_they_wait_and_while_they_are_worked_on(
    qtbot, viewer, widget, folder, tissue, tmp_path
) -> None:
    stack = np.stack([tissue[:128, :128], tissue[128:, 128:]])
    widget.addLayer(viewer.add_image(stack, rgb=True, name="stack layer"))
    widget.addLayer(viewer.add_image(tissue, rgb=True, name="slide", scale=(0.25, 0.25)))
    widget.addPaths([str(folder / "a.png")])
    at_first(widget, "running", viewer.layers.clear)
    run(qtbot, widget)
    assert set(states(widget).values()) == {"done"}
    assert list(states(widget)) == ["a", "stack_layer_p1", "stack_layer_p2", "slide"]
    assert set(ledger(tmp_path / "out").values()) == {"done"}
    assert [layer.name for layer in viewer.layers] == ["stack layer mask", "slide mask"]
    np.testing.assert_array_equal(viewer.layers["slide mask"].scale, (0.25, 0.25))
    assert [path.name for path in widget._inputs.value()] == ["a.png"]  # those that are still there
    run(qtbot, widget)
    assert list(states(widget)) == ["a"]


def test_what_is_said_of_many_images_alike_is_told_once(qtbot, widget, tissue, tmp_path) -> None:
    folder = tmp_path / "alpha"
    folder.mkdir()
    for i in range(6):
        side = 96 + 16 * i
        Picture.fromarray(tissue[:side, :side]).convert("RGBA").save(
            folder / f"{i}.png", dpi=(50_800, 50_800)
        )
    widget.addPaths([str(folder)])
    run(qtbot, widget)
    alpha = [line for line in widget.message().split("\n") if "alpha" in line]
    assert alpha == ["0.png: the alpha channel is dropped (and 5 more images)"]
    resampled = [line for line in widget.message().split("\n") if "µm per pixel" in line]
    assert len(resampled) == 1
    assert resampled[0].endswith("(and 5 more images)")
