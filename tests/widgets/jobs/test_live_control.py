"""The strip of a dock whose job follows sliders."""

from __future__ import annotations

import time
from typing import Any

import pytest
from qtpy.QtWidgets import QProgressBar, QWidget
from tests.widgets import person

from napari_construct.events import Event, in_a_row, planned
from napari_construct.widgets.jobs import live_control
from napari_construct.widgets.jobs.live_control import LiveControl

pytestmark = pytest.mark.gui


@pytest.fixture
def control(viewer, monkeypatch) -> LiveControl:
    monkeypatch.setattr(live_control, "BAR_AFTER_MS", 200)
    dock = QWidget()
    control = LiveControl("Refine", dock, cancelled="cancelled")
    viewer.window.add_dock_widget(dock, name="Somewhere")
    return control


def job(seconds: float) -> Any:
    yield planned("refine", in_a_row(("network", 1.0), ("CRF", 1.0)))
    for stage in ("network", "CRF"):
        for i in range(10):
            yield Event(stage, i, 10)
            time.sleep(seconds / 20)
    return "done"


def bar(control: LiveControl) -> QProgressBar:
    return control.findChild(QProgressBar)


def shown(control: LiveControl) -> bool:
    return bar(control).isVisibleTo(control)


def test_a_short_job_shows_no_bar(qtbot, control) -> None:
    seen: list[bool] = []
    control.progressed.connect(lambda _: seen.append(shown(control)))
    with qtbot.waitSignal(control.returned, timeout=20_000):
        control.job.request(lambda: job(0.02), now=True)
    assert seen
    assert not any(seen)


def test_one_bar_and_one_status_over_all_stages(qtbot, control) -> None:
    values: list[int] = []
    words: list[str] = []

    def look(_: Event) -> None:
        if shown(control):
            values.append(bar(control).value())
            words.append(person.words(control))

    control.progressed.connect(look)
    with qtbot.waitSignal(control.returned, timeout=20_000):
        control.job.request(lambda: job(3.0), now=True)
    assert values == sorted(values)  # no stage starts it anew
    assert any("Network, " in text and "Cancel" in text for text in words)
    assert any("CRF, " in text for text in words)
    qtbot.waitUntil(lambda: not shown(control), timeout=5000)
    assert "Cancel" not in person.words(control)


def test_cancel_is_said_until_it_has_stopped(qtbot, control) -> None:
    control.job.request(lambda: job(5.0), now=True)
    qtbot.waitUntil(lambda: shown(control), timeout=5000)
    with qtbot.waitSignal(control.cancelled, timeout=2000):
        control.cancel()
        assert "Stops after the step at hand" in person.words(control)
    assert control.status.text() == "cancelled"
    assert not shown(control)
