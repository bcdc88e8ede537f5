"""A training as a person sees it: one time left, pictures now and then, an end when it is enough."""

from __future__ import annotations

import re
from typing import Any

import pytest
from qtpy.QtWidgets import QProgressBar, QPushButton
from tests.training.conftest import TINY
from tests.widgets import person

from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = [pytest.mark.gui, pytest.mark.shown]

LONG = TrainingConfig(model=TINY, epochs=5000, batch_size=3, image_size=64, patch_mpp=0.25, seed=3)

KEEP = "Stop here and keep it"


@pytest.fixture
def widget(qtbot, viewer, camelyon, tmp_path) -> TrainAdapters:
    """Ready to train for hours."""
    widget = TrainAdapters(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    widget.setValue(LONG)
    widget.setDevice("cpu")
    widget.setData(str(camelyon / "train"))
    qtbot.waitUntil(lambda: not widget.isLooking(), timeout=60_000)
    widget.setOutput(str(tmp_path / "mine"))
    return widget


def test_a_run_is_stopped_kept_and_used(qtbot, viewer, widget, tissue, tmp_path) -> None:
    seen: list[Any] = []
    widget.control.progressed.connect(seen.append)
    assert KEEP not in person.words(widget)
    person.click(person.find(widget, "Train", QPushButton))
    qtbot.waitUntil(lambda: KEEP in person.words(widget), timeout=120_000)
    person.click(person.find(widget, KEEP, QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    assert KEEP not in person.words(widget)
    assert re.search(r"Done: epoch \d+ of 5000, stopped there", widget.message())
    assert widget.progress.previews.count() == 1  # of the image beside the patches, at the end
    checkpoint = load_checkpoint(tmp_path / "mine.construct")
    assert checkpoint.training["finished"]
    assert checkpoint.training["stopped"]["epochs"] == 5000
    assert [path.name for path in tmp_path.glob("mine*")] == ["mine.construct"]
    assert person.find(widget, "Use this model", QPushButton).isEnabled()
    assert segment(tissue, tmp_path / "mine.construct", mpp=0.25, crf=None).labels.shape == tissue.shape[:2]


def test_one_time_left_and_a_bar_that_never_falls(qtbot, widget) -> None:
    bars: list[int] = []
    texts: list[str] = []

    def look(_: Any) -> None:
        bars.extend(bar.value() for bar in widget.control.findChildren(QProgressBar))
        texts.append(person.words(widget))

    widget.control.progressed.connect(look)
    person.click(person.find(widget, "Train", QPushButton))
    qtbot.waitUntil(lambda: bool(texts) and "left" in texts[-1], timeout=120_000)
    qtbot.wait(1500)
    person.click(person.find(widget, "Cancel", QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    assert bars == sorted(bars)
    assert all(len(re.findall(r"\bleft\b", text)) <= 1 for text in texts)
    assert "state of the run is kept" in widget.message()
