"""The door to threads: exactly one outcome, nothing swallowed, nothing left open."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.fields.message_label import JobError, diagnostics, plain
from napari_construct.widgets.jobs.workers import Job, guarded

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("wait_for_threads")]


class Recorder:
    """Every signal of a job in the order of arrival, with the thread it arrived in."""

    def __init__(self, job: Job) -> None:
        self.seen: list[str] = []
        self.values: list[object] = []
        self.threads: set[int] = set()
        for name in ("progressed", "returned", "failed", "cancelled", "finished"):
            getattr(job, name).connect(lambda *args, name=name: self.note(name, *args))

    def note(self, name: str, *args: object) -> None:
        self.seen.append(name)
        self.values.extend(args)
        self.threads.add(threading.get_ident())


def finish(qtbot, job: Job) -> Recorder:
    recorder = Recorder(job)
    with qtbot.waitSignal(job.finished, timeout=10_000):
        job.start()
    return recorder


def test_result_and_progress_arrive_in_the_gui_thread(qtbot) -> None:
    inside = []

    def steps():
        inside.append(threading.get_ident())
        yield Event("a", 0, 2)
        yield Event("a", 1, 2)
        return 42

    recorder = finish(qtbot, Job("count", steps))
    assert recorder.seen == ["progressed", "progressed", "returned", "finished"]
    assert recorder.values == [Event("a", 0, 2), Event("a", 1, 2), 42]
    assert recorder.threads == {threading.get_ident()}
    assert inside != [threading.get_ident()]


@pytest.mark.parametrize("error", [RuntimeError("shapes"), ValueError("value"), ConstructError("ours")])
@pytest.mark.parametrize("when", ["made", "first", "later"])
def test_every_error_arrives(qtbot, error, when) -> None:
    def steps():
        if when != "first":
            yield Event("a", 0, 2)
        raise error

    def make():
        if when == "made":
            raise error
        return steps()

    recorder = finish(qtbot, Job("fail", make))
    assert recorder.seen[-2:] == ["failed", "finished"]
    arrived = recorder.values[-1]
    assert str(error) in plain(arrived)
    assert not isinstance(arrived, RuntimeError)
    assert arrived is error or arrived.__cause__ is error


def test_cancel_closes_the_generator_in_its_own_thread_before_finished(qtbot) -> None:
    log = []

    def steps():
        try:
            while True:
                yield Event("a", 0, 0)
                time.sleep(0.005)
        finally:
            log.append(("closed", threading.get_ident()))

    job = Job("endless", steps)
    job.finished.connect(lambda: log.append(("finished", threading.get_ident())))
    recorder = Recorder(job)
    job.start()
    qtbot.waitUntil(lambda: len(recorder.seen) > 3)
    before = time.perf_counter()
    with qtbot.waitSignal(job.finished, timeout=2_000):
        job.cancel()
        assert job.is_cancelling
    assert time.perf_counter() - before < 0.2
    assert recorder.seen[-2:] == ["cancelled", "finished"]
    assert [what for what, _ in log] == ["closed", "finished"]
    assert log[0][1] != threading.get_ident()


def test_cancel_during_the_last_step_is_a_cancel(qtbot) -> None:
    """superqt then emits neither returned nor aborted."""
    entered, leave = threading.Event(), threading.Event()

    def steps():
        yield Event("a", 0, 1)
        entered.set()
        leave.wait(5)
        return "too late"

    job = Job("last step", steps)
    recorder = Recorder(job)
    job.start()
    assert entered.wait(5)
    with qtbot.waitSignal(job.finished, timeout=2_000):
        job.cancel()
        leave.set()
    assert recorder.seen[-2:] == ["cancelled", "finished"]


def test_deleting_the_job_stops_the_work(qtbot) -> None:
    steps_done = []
    closed = threading.Event()

    def steps():
        try:
            for i in range(2000):
                yield Event("a", i, 2000)
                steps_done.append(i)
                time.sleep(0.005)
        finally:
            closed.set()

    job = Job("orphan", steps)
    job.start()
    qtbot.waitUntil(lambda: len(steps_done) > 2)
    job.deleteLater()
    del job
    gc.collect()
    qtbot.waitUntil(closed.is_set, timeout=3_000)
    assert len(steps_done) < 1000


def test_guarded_passes_results_and_events() -> None:
    def steps():
        yield Event("a", 0, 1)
        return 7

    generator = guarded(steps)
    assert next(generator) == Event("a", 0, 1)
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == 7


def test_diagnostics_hold_versions_and_the_cause() -> None:
    def steps():
        yield Event("a", 0, 1)
        raise RuntimeError("inner")

    with pytest.raises(JobError) as caught:
        list(guarded(steps))
    text = diagnostics(caught.value)
    assert "napari-construct 0." in text
    assert "RuntimeError: inner" in text
    assert "JobError" in text
