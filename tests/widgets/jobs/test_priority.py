"""Jobs run below the GUI thread, and leave their thread as they found it where they may."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from napari_construct.events import Event
from napari_construct.widgets.jobs import priority as _priority
from napari_construct.widgets.jobs.priority import NICE, lowered
from napari_construct.widgets.jobs.workers import Job

pytestmark = [
    pytest.mark.gui,
    pytest.mark.usefixtures("wait_for_threads"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have a niceness on Linux only"),
]


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_job_and_what_it_starts_run_below_the_gui_thread(qtbot) -> None:
    before, seen = niceness(), []

    def steps():
        started = threading.Thread(target=lambda: seen.append(niceness()))
        started.start()
        started.join()
        seen.append(niceness())
        yield Event("a", 1, 1)

    job = Job("a job", steps)
    with qtbot.waitSignal(job.finished, timeout=10_000):
        job.start()
    assert seen == [max(before, NICE)] * 2
    assert niceness() == before


def test_without_the_right_to_raise_it_again_nothing_fails(monkeypatch) -> None:
    asked = []

    def refuse(which: int, who: int, nice: int) -> None:
        asked.append(nice)
        raise PermissionError

    monkeypatch.setattr(_priority.os, "setpriority", refuse)
    before = niceness()
    with lowered():
        pass
    assert asked == [max(before, NICE), before]
