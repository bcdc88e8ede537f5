"""Correct and retrain in a real viewer: masks of a tiny real network, painted on by a script."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from PIL import Image as Picture
from qtpy.QtCore import Qt
from tests.widgets.conftest import button, run_job
from tests.widgets.refine.conftest import predictor, segmented  # noqa: F401 - a fixture
from typer.testing import CliRunner

from napari_construct.cli import app
from napari_construct.events import StepDone
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.training.loop.identity import state_path
from napari_construct.widgets.layers import corrected_planes
from napari_construct.widgets.parts.next_steps import MaskMade, MaskSteps
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.retrain.retrain import CorrectAndRetrain

pytestmark = pytest.mark.gui

QUICK = RetrainSettings(steps=3, batch_size=2, seed=3)


@pytest.fixture
def old(checkpoint: Path, tmp_path: Path) -> Path:
    """A model in a folder of its own."""
    path = tmp_path / "models" / "tiny.construct"
    path.parent.mkdir()
    path.write_bytes(checkpoint.read_bytes())
    return path


@pytest.fixture
def mask(viewer: Any, tissue: np.ndarray, predictor: Any, old: Path, tmp_path: Path) -> Labels:  # noqa: F811
    path = tmp_path / "slide.png"
    Picture.fromarray(tissue).save(path)
    (layer,) = viewer.open(str(path), plugin="napari")
    layer.scale, layer.units = (0.25, 0.25), ("um", "um")
    return segmented(viewer, layer, predictor, str(old))


@pytest.fixture
def widget(viewer: Any, mask: Labels) -> CorrectAndRetrain:
    widget = CorrectAndRetrain(viewer)
    viewer.window.add_dock_widget(widget, name="Correct and retrain")
    widget.setValue(QUICK)
    widget.setDevice("cpu")
    return widget


def paint(mask: Labels) -> None:
    """Strokes of both classes where the mask has another label, as a person paints them."""
    for row in range(10, 200, 30):
        for column in (20, 120):
            value = 3 - max(int(mask.data[row, column]), 1)
            mask.selected_label, mask.brush_size = value, 6
            for shift in range(0, 24, 3):
                mask.paint((row, column + shift), value)


def painted(qtbot: Any, widget: CorrectAndRetrain, mask: Labels) -> None:
    paint(mask)
    qtbot.waitUntil(lambda: bool(widget.corrections.every()), timeout=10_000)


def test_painted_masks_are_listed_with_their_classes(
    qtbot: Any, widget: CorrectAndRetrain, mask: Labels
) -> None:
    assert "Paint where a mask is wrong" in widget.message()
    assert not widget.corrections.every()
    painted(qtbot, widget, mask)
    (one,) = widget.corrections.value()
    differs = mask.data != one.decided.labels
    np.testing.assert_array_equal(one.painted > 0, differs)
    assert sum(one.counts.values()) == differs.sum()
    item = widget.corrections.tree.topLevelItem(0)
    assert item.text(0) == mask.name
    assert all(f"{name} {count:,}" in item.text(1) for name, count in one.counts.items())
    assert widget.request().output.name == "tiny-corrected.construct"
    item.setCheckState(0, Qt.CheckState.Unchecked)
    assert widget.corrections.value() == ()
    assert widget.message() == "Tick a corrected mask."


def test_what_refine_decides_is_no_correction_and_what_is_painted_on_it_is(
    qtbot: Any, viewer: Any, widget: CorrectAndRetrain, mask: Labels
) -> None:
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine")
    refine.setLayer(mask)
    with qtbot.waitSignal(refine.updated, timeout=60_000):
        refine.setValue(refine.value().changed(min_confidence=0.55, crf=None))
    target = refine.refinedLayer()
    assert target is not None
    assert (target.data != mask.data).any()
    assert not corrected_planes(target)
    target.data_setitem((np.array([5, 6]), np.array([7, 7])), np.array([2, 2], np.uint8))
    (plane,) = corrected_planes(target)
    assert sorted(map(tuple, np.argwhere(plane.painted).tolist())) == [(5, 7), (6, 7)]
    mask.data_setitem((np.array([100]), np.array([100])), 3 - mask.data[100, 100])
    widget.corrections.refresh()
    (one,) = widget.corrections.every()  # both layers are of one image
    assert (one.painted > 0).sum() == 3


def test_strokes_on_an_empty_layer_count_where_the_mask_is_right(
    viewer: Any, widget: CorrectAndRetrain, mask: Labels
) -> None:
    button(widget, "Paint on an empty layer").click()
    layer = viewer.layers[-1]
    assert layer.name == f"{mask.name} corrections"
    assert layer.mode == "paint"
    assert not corrected_planes(layer)
    value = int(mask.data[40, 40])
    layer.data_setitem((np.array([40, 41]), np.array([40, 40])), np.array([value, value], np.uint8))
    widget.corrections.refresh()
    (one,) = widget.corrections.every()
    assert (one.painted > 0).sum() == 2
    assert one.painted[40, 40] == value


def test_a_mask_is_corrected_and_the_model_retrained(
    qtbot: Any, widget: CorrectAndRetrain, mask: Labels, old: Path
) -> None:
    before = old.read_bytes()
    painted(qtbot, widget, mask)
    output = widget.request().output
    run_job(qtbot, widget)
    assert old.read_bytes() == before
    made = load_checkpoint(output)
    assert made.training["corrections"]["steps"] == 3
    assert made.training["corrections"]["images"][0]["name"] == "slide"
    rows = widget.scores.rows()
    assert [row[0] for row in rows] == [*made.classes.names, "mean"]
    assert f"The new model is in {output}." in widget.message()
    assert len(widget.progress.lines("losses")["all"][0]) == 3
    assert widget.progress.lines("scores")["mean IoU"][0] == [0, 1]
    assert button(widget, "Use this model").isEnabled()


def test_the_old_model_is_no_output(qtbot: Any, widget: CorrectAndRetrain, mask: Labels, old: Path) -> None:
    painted(qtbot, widget, mask)
    widget.setOutput(str(old))
    widget.setReplace(True)
    assert widget.message() == "The new model needs a file of its own: the old one is kept."
    assert widget.control.blockedReason()


def test_a_stopped_run_goes_on(qtbot: Any, widget: CorrectAndRetrain, mask: Labels) -> None:
    widget.setValue(QUICK.changed(steps=400))
    painted(qtbot, widget, mask)
    output = widget.request().output
    seen: list[int] = []
    widget.control.progressed.connect(lambda event: isinstance(event, StepDone) and seen.append(event.done))
    widget.run()
    qtbot.waitUntil(lambda: len(seen) > 1, timeout=60_000)
    widget.cancel()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert state_path(output).exists()
    assert not output.exists()
    assert widget.request().resume
    last = seen[-1]
    widget.run()
    qtbot.waitUntil(lambda: seen[-1] > last, timeout=60_000)
    assert seen[seen.index(last) + 1] in (last + 1, last + 2)
    button(widget, "Stop here and keep it").click()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert load_checkpoint(output).training["corrections"]["steps"] < 400


def test_the_command_gives_the_same_model(
    qtbot: Any, widget: CorrectAndRetrain, mask: Labels, tmp_path: Path
) -> None:
    painted(qtbot, widget, mask)
    assert widget.text(widget.recipes[1]) == ""
    assert "Save the corrections first" in widget.message()
    widget.save(str(tmp_path / "kept"))
    assert widget.message() == f"Saved in {tmp_path / 'kept'}."
    script, command = (widget.text(recipe) for recipe in widget.recipes)
    run_job(qtbot, widget)
    mine = load_checkpoint(widget.request().output)
    words = shlex.split(command)
    assert words[:2] == ["napari-construct", "retrain"], command + widget.message()
    words[words.index("--output") + 1] = str(tmp_path / "by-command")
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    theirs = load_checkpoint(tmp_path / "by-command.construct")
    for name, value in mine.head_state.items():
        np.testing.assert_allclose(theirs.head_state[name].numpy(), value.numpy(), atol=1e-6)
    space: dict[str, Any] = {}
    exec(script.replace(str(widget.request().output), str(tmp_path / "by-script")), space)
    again = space["result"].checkpoint
    for name, value in mine.head_state.items():
        np.testing.assert_allclose(again.head_state[name].numpy(), value.numpy(), atol=1e-6)


def test_an_estimate_writes_nothing(qtbot: Any, widget: CorrectAndRetrain, mask: Labels) -> None:
    painted(qtbot, widget, mask)
    widget.estimate()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=60_000)
    assert "for 3 steps" in widget._estimate.text()
    assert not widget.request().output.exists()
    assert not state_path(widget.request().output).exists()


def test_retraining_is_offered_where_a_mask_looks_wrong(viewer: Any, mask: Labels, old: Path) -> None:
    steps = MaskSteps(viewer)
    steps.offerMask(MaskMade(mask, None, str(old), None))
    assert button(steps, "Retrain with corrections").isVisibleTo(steps)
