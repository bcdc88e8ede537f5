"""The widget with the real predictor, on a real H&E region, in a real viewer."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QPushButton
from tests.widgets import person
from tests.widgets.conftest import CLASSES

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

QUICK = SegmentSettings(tile=128, overlap=32, crf=None)


@pytest.fixture
def widget(qtbot, viewer, tissue, checkpoint) -> SegmentTissue:
    viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(str(checkpoint))
    widget.setValue(QUICK)
    widget._parts.class_maps.click()
    qtbot.waitUntil(lambda: not widget.message(), timeout=60_000)
    return widget


def run(qtbot, widget: SegmentTissue) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())


@pytest.mark.parametrize(
    "value",
    [
        QUICK,
        QUICK.model_copy(update={"views": "four"}),
        QUICK.model_copy(update={"classes": ("lymphoid",), "min_confidence": 0.6}),
        QUICK.model_copy(update={"mpp": 0.5}),
    ],
    ids=["plain", "four views", "named", "resampled"],
)
def test_widget_and_python_give_identical_arrays(qtbot, viewer, widget, tissue, checkpoint, value) -> None:
    from napari_construct.inference.segment import segment

    widget.setValue(value)
    run(qtbot, widget)
    expected = segment(tissue, checkpoint, value, mpp=0.25)
    np.testing.assert_array_equal(viewer.layers["slide mask"].data, expected.labels)
    for name, cam in zip(CLASSES.names, expected.cams, strict=True):
        np.testing.assert_array_equal(viewer.layers[f"slide {name} (class map)"].data, cam)
    record = viewer.layers["slide mask"].metadata["napari_construct"]["record"]
    assert record


def test_cancel_in_the_middle(qtbot, viewer, widget) -> None:
    widget.setValue(QUICK.model_copy(update={"tile": 64, "overlap": 32, "views": "four"}))
    widget.run()
    qtbot.waitUntil(lambda: " of " in person.words(widget.control), timeout=30_000)
    pressed = time.perf_counter()
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=10_000)
    assert time.perf_counter() - pressed < 5
    assert len(viewer.layers) == 1
    assert "Cancelled" in widget.message()


def test_damaged_checkpoint_is_named(qtbot, widget, checkpoint, tmp_path) -> None:
    half = tmp_path / "half.construct"
    half.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    widget.setModel(str(half))
    qtbot.waitUntil(lambda: "half.construct" in widget.message(), timeout=10_000)
    assert widget.control.blockedReason()
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: not widget.control.blockedReason(), timeout=10_000)


def test_device_that_is_not_there(qtbot, widget) -> None:
    widget.setValue(QUICK)
    widget.setDevice("cuda:99")
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=10_000)
    assert "cuda:99" in widget.message()
    assert "device" in widget.message()


def test_image_that_is_too_small(qtbot, viewer, widget, tissue) -> None:
    viewer.add_image(tissue[:5, :7], name="scrap", rgb=True)
    widget.setLayer(viewer.layers["scrap"])
    widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=10_000)
    assert "scrap" in widget.message()
    assert "16 pixels" in widget.message()


def test_event_loop_goes_on_during_a_run(qtbot, widget) -> None:
    """A freeze would show as a gap as long as the run; a busy machine needs the wide margin."""
    widget.setValue(QUICK.model_copy(update={"tile": 64, "overlap": 32, "views": "four"}))
    run(qtbot, widget)  # torch warm
    ticks = [time.perf_counter()]
    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start()
    run(qtbot, widget)
    timer.stop()
    lasted = ticks[-1] - ticks[0]
    longest = float(np.diff(ticks).max())
    assert longest < max(0.5, 0.25 * lasted)


def copied(widget: SegmentTissue, name: str) -> str:
    button = next(b for b in widget.findChildren(QPushButton) if b.accessibleName() == f"Copy as {name}")
    button.click()
    return QApplication.clipboard().text()


RECIPES = [
    QUICK,
    QUICK.model_copy(update={"classes": ("lymphoid", "tumour"), "mpp": 0.4, "min_confidence": 0.55}),
    QUICK.model_copy(
        update={
            "crf": CRFParameters(iterations=3),
            "background": BackgroundRule(brightness=180),
        }
    ),
]


@pytest.fixture(scope="module")
def second_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second-stage checkpoint, untrained."""
    from napari_construct.encoders.networks.tiny import TinyEncoder
    from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
    from napari_construct.models.network.config import ModelConfig
    from napari_construct.models.network.unet import build_unet

    config = ModelConfig(network="unet", encoder="tiny", teacher=None, fusion_width=8)
    made = checkpoint_of(build_unet(config, TinyEncoder(), 2), CLASSES, mpp=0.25)
    return save_checkpoint(tmp_path_factory.mktemp("second") / "unet.construct", made)


@pytest.fixture
def from_file(viewer, widget, tissue, tmp_path) -> SegmentTissue:
    """The widget on an image that was opened from a file."""
    path = tmp_path / "a slide.png"
    Picture.fromarray(tissue).save(path)
    viewer.open(str(path), plugin="napari")
    widget.setLayer(viewer.layers["a slide"])
    return widget


@pytest.mark.parametrize("value", RECIPES, ids=["plain", "changed", "nested"])
def test_copied_python_gives_identical_arrays(qtbot, viewer, from_file, value) -> None:
    from_file.setValue(value)
    names: dict[str, Any] = {}
    exec(copied(from_file, "Python"), names)
    run(qtbot, from_file)
    np.testing.assert_array_equal(viewer.layers["a slide mask"].data, names["result"].labels)
    np.testing.assert_array_equal(viewer.layers["a slide tumour (class map)"].data, names["result"].cams[0])


@pytest.mark.parametrize("value", RECIPES, ids=["plain", "changed", "nested"])
def test_copied_command_gives_identical_arrays(
    qtbot, viewer, from_file, value, tmp_path, monkeypatch
) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app
    from napari_construct.data.masks import read_mask

    from_file.setValue(value)
    words = shlex.split(copied(from_file, "Command line"))
    assert words[0] == "napari-construct"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    run(qtbot, from_file)
    mask = read_mask(tmp_path / "results" / "a slide_mask.tif")
    np.testing.assert_array_equal(viewer.layers["a slide mask"].data, mask)


@pytest.mark.parametrize("crf", ["auto", CRFParameters(iterations=1)], ids=["auto", "on"])
def test_a_second_stage_model_gets_the_crf_only_where_it_is_chosen(
    qtbot, viewer, from_file, second_stage, tmp_path, monkeypatch, crf
) -> None:
    """What else was set has no say in it: in the widget, in its Python and in its command."""
    from typer.testing import CliRunner

    from napari_construct.cli import app
    from napari_construct.data.masks import read_mask

    from_file.setModel(str(second_stage))
    from_file.setValue(SegmentSettings(tile=128, overlap=32, crf=crf))
    qtbot.waitUntil(lambda: not from_file.message(), timeout=60_000)
    assert from_file.value().crf == crf
    names: dict[str, Any] = {}
    exec(copied(from_file, "Python"), names)
    words = shlex.split(copied(from_file, "Command line"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    run(qtbot, from_file)
    layer = viewer.layers["a slide mask"]
    used = layer.metadata["napari_construct"]["record"]["settings"]["crf"]
    assert used == (None if crf == "auto" else crf.model_dump())
    assert names["result"].record["settings"]["crf"] == used
    np.testing.assert_array_equal(layer.data, names["result"].labels)
    np.testing.assert_array_equal(layer.data, read_mask(tmp_path / "results" / "a slide_mask.tif"))
