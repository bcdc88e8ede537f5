"""The strip at the foot of every dock, and its bar in napari's activity dock."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from napari.utils import progress
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar, QPushButton, QWidget

from napari_construct.events import Event, in_a_row, planned
from napari_construct.widgets.jobs import job_progress
from napari_construct.widgets.jobs.run_control import RunControl

pytestmark = pytest.mark.gui


@pytest.fixture
def control(viewer, monkeypatch) -> RunControl:
    monkeypatch.setattr(job_progress, "_ACTIVITY_AFTER_MS", 100)
    monkeypatch.setattr(job_progress, "_ACTIVITY_MS", 20)
    dock = QWidget()
    control = RunControl("Run", dock)
    viewer.window.add_dock_widget(dock, name="Somewhere")
    return control


def job(seconds: float):
    for i in range(10):
        yield Event("tiles", i, 10)
        time.sleep(seconds / 10)
    return "done"


def bars() -> list[Any]:
    return list(progress._all_instances)


def run(qtbot: Any, control: RunControl, seconds: float) -> list[Any]:
    """The bars that napari was told of while a job ran."""
    seen: list[Any] = []
    progress._all_instances.events.changed.connect(lambda event: seen.extend(event.added))
    with qtbot.waitSignal(control.returned, timeout=20_000):
        control.run("Job", lambda: job(seconds))
        qtbot.waitUntil(lambda: not control.isRunning(), timeout=20_000)
    return seen


def test_a_long_job_is_in_the_activity_dock_and_leaves_it(qtbot, viewer, control) -> None:
    values: list[int] = []

    def look(_: Any) -> None:
        values.extend(bar.n for bar in bars())

    control.progressed.connect(look)
    (bar,) = run(qtbot, control, 1.0)
    assert bar.desc == "tiles: "
    assert max(values) >= 300  # of a thousand
    assert bars() == []


def test_many_events_at_once_leave_the_last_on_view(qtbot, control) -> None:
    def steps():
        for i in range(1, 501):
            yield Event("tiles", i, 500)
        go_on.wait(10)

    go_on = threading.Event()
    control.run("Job", steps)
    try:
        status = next(w for w in control.findChildren(QLabel) if w.accessibleName() == "Status")
        qtbot.waitUntil(lambda: "500 of 500" in status.text(), timeout=5_000)
        (bar,) = control.findChildren(QProgressBar)
        assert bar.value() == bar.maximum()
    finally:
        go_on.set()
    qtbot.waitUntil(lambda: not control.isRunning(), timeout=5_000)


def test_one_bar_over_all_stages_never_falls_and_tells_one_time(qtbot, control) -> None:
    def steps():
        yield planned("job", in_a_row(("reading", 0.2), ("tiles", 1.0), ("refine", 1.0)))
        for stage, count in (("reading", 1), ("tiles", 10), ("refine", 10)):
            for i in range(count + 1):
                yield Event(stage, i, count)
                time.sleep(0.1)

    (bar,) = control.findChildren(QProgressBar)
    status = next(w for w in control.findChildren(QLabel) if w.accessibleName() == "Status")
    values: list[int] = []
    texts: list[str] = []

    def look(_: Any) -> None:
        values.append(bar.value())
        texts.append(status.text())

    control.progressed.connect(look)
    with qtbot.waitSignal(control.returned, timeout=20_000):
        control.run("Job", steps)
    assert values == sorted(values)
    in_tiles = [v for v, text in zip(values, texts, strict=True) if text.startswith("Tiles")]
    assert max(in_tiles) < 700  # of a thousand: the refinement is still to come
    assert any("estimating the time" in text for text in texts)
    qtbot.waitUntil(lambda: not control.isRunning(), timeout=5_000)


def test_time_goes_by_while_no_event_comes(qtbot, control) -> None:
    go_on = threading.Event()

    def steps():
        yield Event("tiles", 0, 10)
        time.sleep(1.2)
        yield Event("tiles", 1, 10)
        go_on.wait(20)

    status = next(w for w in control.findChildren(QLabel) if w.accessibleName() == "Status")
    control.run("Job", steps)
    try:
        texts: list[str] = []

        def fell() -> bool:
            texts.append(status.text())
            return len({text for text in texts if "left" in text}) >= 3

        qtbot.waitUntil(fell, timeout=15_000)
    finally:
        go_on.set()
    qtbot.waitUntil(lambda: not control.isRunning(), timeout=5_000)


def test_a_job_that_can_end_early_shows_a_button_until_it_is_over(qtbot, viewer, control) -> None:
    enough = threading.Event()

    def steps():
        while not enough.is_set():
            yield Event("train", 1, 1000)
            time.sleep(0.01)
        return "kept"

    kept: list[object] = []
    control.returned.connect(kept.append)
    control.run("Job", steps)
    control.offerEnd("Enough", "Keep what there is", enough.set)
    end = next(b for b in control.findChildren(QPushButton) if b.text() == "Enough")
    assert end.isVisibleTo(control)
    qtbot.mouseClick(end, Qt.MouseButton.LeftButton)
    assert not end.isEnabled()
    qtbot.waitUntil(lambda: not control.isRunning(), timeout=5_000)
    assert kept == ["kept"]
    assert not end.isVisibleTo(control)


def test_a_short_job_is_not(qtbot, control) -> None:
    assert run(qtbot, control, 0.02) == []


def test_one_that_ends_while_its_bar_is_made_leaves_nothing(qtbot, control, monkeypatch) -> None:
    """napari processes events within: the end of the job and of the window may come there."""
    made = progress.__init__

    def making(self: Any, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        qtbot.waitUntil(lambda: not control.isRunning(), timeout=20_000)

    monkeypatch.setattr(progress, "__init__", making)
    assert len(run(qtbot, control, 0.5)) == 1
    qtbot.waitUntil(lambda: bars() == [], timeout=5_000)
