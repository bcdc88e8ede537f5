"""The gaps between turns of the event loop, and where they were spent."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from single_calls import SingleCalls

TIMEOUT = 600.0
LINUX = sys.platform.startswith("linux")


@dataclass
class Gap:
    """Between two ticks: seconds without waiting for a processor, and as they were; where it was spent.

    ``single`` are the seconds (and the name) of the longest call of napari among it.
    """

    own: float
    wall: float
    single: tuple[float, str]
    where: Counter[str] = field(default_factory=Counter)


class Heartbeat:
    """The gaps between ticks of the event loop while it is watched."""

    def __init__(self, explain: bool) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.gaps: list[Gap] = []
        self._explain = explain
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._where: Counter[str] = Counter()
        self._collecting = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._tick)
        self._calls = SingleCalls()

    def longest(self) -> Gap:
        return max(self.gaps, key=lambda gap: gap.own)

    def _waited(self) -> float:
        """Seconds the GUI thread was ready to run and had no processor."""
        return int(self._schedule.read_text(encoding="ascii").split()[1]) / 1e9 if LINUX else 0.0

    def _tick(self) -> None:
        now, waited = time.perf_counter(), self._waited()
        wall = now - self._last
        single = self._calls.longest_since(self._last)
        self.gaps.append(Gap(wall - (waited - self._before), wall, single, self._where))
        self._last, self._before, self._where = now, waited, Counter()

    @contextmanager
    def watch(self) -> Iterator[None]:
        self.gaps, self._where = [], Counter()
        self._last, self._before = time.perf_counter(), self._waited()
        self._timer.start()
        stop = threading.Event()
        watcher = threading.Thread(target=self._look, args=(threading.get_ident(), stop))
        if self._explain:
            watcher.start()
            gc.callbacks.append(self._on_collection)
        try:
            yield
        finally:
            self._tick()
            self._timer.stop()
            stop.set()
            if self._explain:
                watcher.join()
                gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        """A collection stops every thread, also the one that looks."""
        now = time.perf_counter()
        if phase == "start":
            self._collecting = now
        elif now - self._collecting > 0.005:
            took = f"{1000 * (now - self._collecting):.0f} ms"
            where = _stack(sys._getframe(1), 2)  # noqa: SLF001 - the documented way
            self._where[f"collection of generation {info['generation']}, {took} < {where}"] += 1

    def _look(self, gui: int, stop: threading.Event) -> None:
        last = time.perf_counter()
        while not stop.wait(0.004):
            now = time.perf_counter()
            if now - self._last > 0.015:
                frames = sys._current_frames()  # noqa: SLF001 - the documented way
                others = [_stack(f, 3) for t, f in frames.items() if t not in {gui, threading.get_ident()}]
                busy = [s for s in others if " wait" not in s and "_worker" not in s]
                held = f"[no lock for {1000 * (now - last):.0f} ms] " if now - last > 0.02 else ""
                self._where[held + " || ".join([_stack(frames[gui], 6), *busy])] += 1
                # a frame holds what it works on: Qt's painters, for one, must not outlive their painting
                frames.clear()
            last = now

    def explain(self, when: str) -> None:
        for gap in sorted(self.gaps, key=lambda gap: -gap.own)[:2] if self._explain else ():
            print(f"    {when}: a gap of {1000 * gap.own:.0f} ms ({1000 * gap.wall:.0f})")
            for where, count in gap.where.most_common(4):
                print(f"      {count:3d} x {where}")


def _stack(frame: Any, depth: int) -> str:
    """The innermost calls; source files are not read, which would let other threads go on meanwhile."""
    found = []
    while frame is not None and len(found) < depth:
        found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(found)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Run the event loop as napari does, not in slices of ours."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, end = QEventLoop(), time.monotonic() + TIMEOUT
    poll = QTimer()
    poll.setInterval(1)
    poll.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    poll.start()
    loop.exec()
    poll.stop()
    if not condition():
        raise SystemExit(f"waited {TIMEOUT:.0f} s for {what} in vain")


def pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, "nothing")
