"""Distil a student in a real viewer: phantoms, and the smallest of the paper's students for a few steps."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from qtpy.QtWidgets import QApplication, QWidget
from tests.widgets.conftest import button, run_job

from napari_construct.crossmodal.config import NO_KD, ChannelAugmentation, DistilConfig
from napari_construct.crossmodal.phantom import phantom
from napari_construct.events import StepDone
from napari_construct.models.checkpoints.channel_checkpoint import load_channel_checkpoint
from napari_construct.widgets.distil.distil_student import DistilStudent
from napari_construct.widgets.distil.recipes import distil_as_command, distil_as_python

pytestmark = pytest.mark.gui

QUICK = DistilConfig(student="mobilenet_v3", steps=4, batch_size=2, patch=64, validations=2, seed=3)


@pytest.fixture(scope="module")
def tissue() -> tuple[np.ndarray, np.ndarray]:
    """(2, 192, 192) channels and their cells."""
    made = phantom(5, (192, 192))
    return made.channels, made.instances


@pytest.fixture
def widget(qtbot, viewer, tissue, monkeypatch, tmp_path) -> DistilStudent:
    """Docked in a viewer with two image layers and the cells of both."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    channels, cells = tissue
    where: dict[str, Any] = {"scale": (0.5, 0.5), "units": ("um", "um")}
    viewer.add_image(channels[0], name="DAPI", **where)
    viewer.add_image(channels[1], name="membrane", **where)
    viewer.add_labels(cells, name="cells of a tool", **where)
    widget = DistilStudent(viewer)
    viewer.window.add_dock_widget(widget, name="Distil single-channel student")
    widget.setValue(QUICK)
    widget.setDevice("cpu")
    return widget


def looked(qtbot: Any, widget: DistilStudent) -> None:
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=60_000)


def take_layers(qtbot: Any, widget: DistilStudent, output: Path) -> None:
    widget.images.mode.put("layers")
    looked(qtbot, widget)
    widget.setOutput(str(output))
    assert widget.control.blockedReason() == ""


def in_a_thread(work: Callable[[], Any]) -> Any:
    """The result of some work in a thread, as the dock's is: the window's own thread rounds otherwise."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def same(path: Path, other: Path) -> None:
    """Two checkpoints of one run, weights bit by bit."""
    a, b = load_channel_checkpoint(path), load_channel_checkpoint(other)
    assert a.config == b.config
    assert a.state.keys() == b.state.keys()
    assert all(torch.equal(a.state[name], b.state[name]) for name in a.state)


@pytest.mark.parametrize(
    "value",
    [
        DistilConfig(),
        QUICK.changed(channels=("DAPI",), teacher_channels=("DAPI", "membrane"), mpp=0.62, terms=NO_KD),
        DistilConfig(
            student="lite0",
            pretrained=True,
            channels=(2,),
            teacher_channels=(3, 0, "CD45"),
            terms=("truth", "boundary"),
            learned_weights=False,
            truth_images=7,
            clip_norm=None,
            average_from=None,
            learning_rate=1.25e-5,
            schedule="constant",
            augmentation=ChannelAugmentation(flip=False, blur=0, noise=0.123),
            low=0.5,
            high=99.95,
            seed=2**60 + 1,
            memory_limit_mb=123,
        ),
    ],
)
def test_value_is_what_was_set(widget, value) -> None:
    seen: list[Any] = []
    widget.valueChanged.connect(seen.append)
    widget.setValue(value)
    assert widget.value() == value
    assert seen[-1:] == [value]
    widget.setValue(value)
    assert len(seen) == 1


def test_layers_take_their_places_by_their_names(qtbot, viewer, widget) -> None:
    assert "Choose the images" in widget.message()
    widget.images.mode.put("layers")
    looked(qtbot, widget)
    request = widget.request()
    assert list(request.images.channels) == ["DAPI", "membrane"]
    assert request.images.mpp == 0.5
    assert request.teacher.name == "cells of a tool"
    assert request.output.name == "DAPI-student.construct"
    assert "9 images (8 to train on, 1 held out); 0.5 µm" in widget._found.text()
    widget.setValue(QUICK.changed(channels=("membrane",)))
    assert widget.request().config.channels == ("membrane",)
    widget.setValue(QUICK.changed(channels=("CD8",)))
    assert "CD8" in widget.message()
    widget.setValue(QUICK.changed(terms=NO_KD))
    assert "trained on drawn cells" in widget.message()
    widget.images.truth.setLayer(viewer.layers["cells of a tool"])
    looked(qtbot, widget)
    assert widget.control.blockedReason() == ""
    assert widget.request().teacher is None
    assert "cells drawn in 9" in widget._found.text()


def test_one_layer_with_an_axis_of_channels(qtbot, viewer, widget, tissue) -> None:
    stack = viewer.add_image(tissue[0], name="both")
    widget.setLayers(stack, axis=0)
    looked(qtbot, widget)
    found = widget.request().images
    assert list(found.channels) == ["0", "1"]
    np.testing.assert_array_equal(found.channels["1"], tissue[0][1])


def test_what_a_teacher_of_the_catalogue_needs(qtbot, widget, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path))
    take_layers(qtbot, widget, tmp_path / "a")
    widget.teacher.setTeacher("cellsam")
    about = widget.teacher._about.text()
    assert "non-commercial" in about
    assert "asked for access" in about
    assert "cellSAM" in widget.message() or "cellsam: expected its weights" in widget.message()
    assert not button(widget, "Preview teacher").isEnabled()
    assert not button(widget, "Distil").isEnabled()
    widget.teacher.setTeacher("sam_vit_b", str(tmp_path / "no.pth"))
    assert "375" in widget.teacher._about.text()
    widget.teacher.setTeacher("precomputed", str(tmp_path))
    assert "belongs to a folder of images" in widget.message()


def test_preview_shows_the_teacher_where_it_looked(qtbot, viewer, widget, tissue, tmp_path) -> None:
    take_layers(qtbot, widget, tmp_path / "a")
    viewer.reset_view()
    for _ in range(2):  # the second look takes the place of the first
        widget.preview()
        qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
        assert "The teacher found" in widget.message()
    assert len(viewer.layers) == 5
    cells = viewer.layers["DAPI teacher (cells)"]
    np.testing.assert_array_equal(cells.data > 0, tissue[1] > 0)
    np.testing.assert_array_equal(cells.data_to_world((3, 4)), viewer.layers["DAPI"].data_to_world((3, 4)))
    assert viewer.layers["DAPI teacher (foreground)"].data.max() == 1
    assert widget.images.nuclear.layer().name == "DAPI"


def test_distils_shows_curves_and_pictures_and_the_student_is_used(qtbot, viewer, widget, tmp_path) -> None:
    output = tmp_path / "student.construct"
    take_layers(qtbot, widget, output)
    events: list[Any] = []
    widget.control.progressed.connect(events.append)
    run_job(qtbot, widget)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert widget.progress.lines("losses")["all"] == (
        [1, 2, 3, 4],
        pytest.approx([e.losses["loss"] for e in steps]),
    )
    assert widget.progress.lines("weights")["s boundary"][1][0] == 0
    assert widget.progress.lines("scores")["Dice"][0] == [1, 2]
    assert widget.progress.previews.count() == 1
    assert "Done: step 4 (Dice" in widget.message()
    made = load_channel_checkpoint(output)
    assert made.training["finished"]
    assert (made.channels, made.mpp) == (("nuclear",), 0.5)
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300
    button(widget, "Use this model").click()
    _, segment = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    assert segment.model() == str(output)
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=60_000)


def test_cancel_and_going_on_gives_the_same_student_and_python_too(qtbot, viewer, widget, tmp_path) -> None:
    whole, parts, again = (tmp_path / f"{name}.construct" for name in ("whole", "parts", "again"))
    take_layers(qtbot, widget, whole)
    run_job(qtbot, widget)
    widget.setOutput(str(parts))
    stop = lambda e: widget.cancel() if isinstance(e, StepDone) and e.done == 3 else None  # noqa: E731
    widget.control.progressed.connect(stop)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    widget.control.progressed.disconnect(stop)
    assert "state of the run is kept" in widget.message()
    assert button(widget, "Go on").isEnabled()
    run_job(qtbot, widget)
    same(whole, parts)
    widget.setOutput(str(again))
    button(widget, "Copy as Python").click()
    text = QApplication.clipboard().text()
    in_a_thread(lambda: exec(text, {"viewer": viewer}))
    same(whole, again)
    QApplication.clipboard().setText("")
    widget.setOutput(str(tmp_path / "more"))
    button(widget, "Copy as Command line").click()
    assert "no command line" in widget.message()


def test_a_stopped_run_brings_its_settings(qtbot, viewer, widget, tmp_path) -> None:
    take_layers(qtbot, widget, tmp_path / "stopped")
    widget.control.progressed.connect(lambda e: widget.cancel() if isinstance(e, StepDone) else None)
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    other = DistilStudent(viewer)  # of the next session
    viewer.window.add_dock_widget(other, name="Distil again")
    other.setValue(QUICK.changed(steps=77))
    other.setOutput(str(tmp_path / "stopped"))
    assert other.value() == QUICK


def test_folders_give_the_same_by_command(qtbot, widget, tmp_path) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app

    for seed in range(8):
        made = phantom(seed, (96, 96))
        for name, array in (("images", made.channels), ("outputs", made.instances)):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"field{seed}.tif", array)
    widget.setData(str(tmp_path / "images"))
    looked(qtbot, widget)
    assert "a folder of outputs" in widget.message()
    widget.teacher.setTeacher("precomputed", str(tmp_path / "outputs"))
    widget.setValue(QUICK.changed(steps=2, learned_weights=False))
    model, again = tmp_path / "images-student.construct", tmp_path / "again.construct"
    assert widget.request().output == model
    run_job(qtbot, widget)
    widget.setOutput(str(again))
    button(widget, "Copy as Command line").click()
    words, runner = shlex.split(QApplication.clipboard().text())[1:], CliRunner()
    done = in_a_thread(lambda: runner.invoke(app, words))
    assert done.exit_code == 0, done.output
    same(model, again)


def test_files_of_channels_are_found_or_named(qtbot, widget, tmp_path) -> None:
    for seed in range(8):
        for word, channel in zip(("DAPI", "membrane"), phantom(seed, (64, 64)).channels, strict=True):
            tifffile.imwrite(tmp_path / f"field{seed}_{word}.tif", channel)
    widget.setData(str(tmp_path))
    looked(qtbot, widget)
    assert "8 images (7 to train on, 1 held out)" in widget._found.text()
    assert widget._found.value().channels == ("DAPI", "membrane")
    widget.setValue(QUICK.changed(terms=NO_KD))
    for text, files, channels in (
        ("membrane, DAPI", ("membrane", "DAPI"), ("membrane", "DAPI")),
        ("none", (), ("0",)),
    ):
        widget.images.channel_files.put(text)
        looked(qtbot, widget)
        assert widget._found.value().channels == channels
        request = widget.request()
        assert request.images.channel_files == files
        assert f"channel_files={files!r}" in distil_as_python(request)
        words = shlex.split(distil_as_command(request))
        assert words[words.index("--channel-files") + 1] == text.replace(" ", "")
    widget.setValue(QUICK)
    (tmp_path / "maps").mkdir()
    widget.teacher.setTeacher("precomputed", str(tmp_path / "maps"))
    widget.teacher.foreground.put("0, 2")
    request = widget.request()
    assert request.teacher.foreground == (0, 2)
    assert "foreground=(0, 2)" in distil_as_python(request)
    assert "--teacher-foreground 0,2" in distil_as_command(request)
    widget.teacher.foreground.put("nuclei")
    assert "expected numbers of channels" in widget.message()
    widget.teacher.foreground.put("")
    (tmp_path / "field3_DAPI.tif").unlink()
    widget.images.channel_files.put("")
    looked(qtbot, widget)
    assert "expected field3_DAPI.tif" in widget.message()
    widget.images.channel_files.put('"DAPI')
    assert not button(widget, "Distil").isEnabled()


def test_a_teacher_is_trained_and_taken(qtbot, viewer, widget, tmp_path) -> None:
    widget.images.mode.put("layers")
    widget.teacher.setTeacher("drawn")
    looked(qtbot, widget)
    assert "A teacher is trained on drawn cells" in widget.message()
    widget.images.truth.setLayer(viewer.layers["cells of a tool"])
    looked(qtbot, widget)
    widget.setOutput(str(tmp_path / "teacher"))
    widget.setValue(QUICK.changed(steps=2))
    run_job(qtbot, widget)
    made = load_channel_checkpoint(tmp_path / "teacher.construct")
    assert made.channels == ("nuclear", "membrane")
    button(widget, "Use as teacher").click()
    request = widget.request()
    assert request.teacher is not None
    assert (request.teacher.kind, request.teacher.path) == (
        "channel_unet",
        str(tmp_path / "teacher.construct"),
    )
    assert request.config.uses_teacher
    assert request.output.name == "DAPI-student.construct"


def test_estimate(qtbot, widget, tmp_path) -> None:
    take_layers(qtbot, widget, tmp_path / "a")
    widget.estimate()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    assert "4 steps of" in widget._estimate.text()
    assert "8 views of 8 images, 1 held out" in widget._estimate.text()
    assert list(tmp_path.glob("*.construct*")) == []
    widget.setValue(QUICK.changed(steps=9))
    assert widget._estimate.text() == ""
