"""How napari feels while the widgets work: a real viewer, real jobs, a heartbeat in the event loop.

    python benchmarks/gui_latency.py [--only NAME ...] [--repeats 3] [--explain] [--json OUT.json]

Per widget: the time to open it (the second opening, after everything is imported; the first one beside it),
the longest stall of the event loop during its job (the gap between two ticks of a 2 ms timer), beside it that
when napari alone adds one plain image layer, the time from Cancel to idle at several moments of the job
and beside it the longest step, and for Refine the time from a moved slider to the new mask of a
visible region of 512 px. ``--explain`` prints where the GUI thread was in stalls over 30 ms. Starts itself
again under ``xvfb-run`` where there is no display. On a busy machine run it with priority; the share of the
processor that other processes took is printed with the table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from screenshots import ensure_display, settle

STALL_BOUND = 0.050
TIMEOUT = 600.0


class Heartbeat:
    """Longest gap between ticks of the event loop while it is watched."""

    def __init__(self, explain: bool) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.longest, self.where = 0.0, Counter[str]()
        self._explain = explain
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    @contextmanager
    def watch(self) -> Iterator[None]:
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer.start()
        stop = threading.Event()
        watcher = threading.Thread(target=self._look, args=(threading.get_ident(), stop))
        if self._explain:
            watcher.start()
        try:
            yield
        finally:
            self._timer.stop()
            stop.set()
            if self._explain:
                watcher.join()

    def _look(self, gui: int, stop: threading.Event) -> None:
        while not stop.wait(0.005):
            gap = time.perf_counter() - self._last
            if gap > 0.03:
                frames = sys._current_frames()  # noqa: SLF001 - the documented way
                others = [f for t, f in frames.items() if t not in {gui, threading.get_ident()}]
                self.where[_stack(frames[gui], 7) + "".join(f" || {_stack(f, 4)}" for f in others)] += 1


def _stack(frame: Any, depth: int) -> str:
    found = traceback.extract_stack(frame)[-depth:]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(found))


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


def opened(viewer: Any, name: str) -> tuple[Any, float]:
    """A widget as the menu opens it, and the seconds until it is drawn."""
    from qtpy.QtWidgets import QApplication

    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", name)
    QApplication.processEvents()
    return widget, time.perf_counter() - start


def new_viewer() -> Any:
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    settle(0.5)
    return viewer


def ready(widget: Any) -> None:
    wait_until(lambda: not widget.isRunning() and "being loaded" not in widget.message(), "the model")


def adding_alone(heart: Heartbeat, viewer: Any) -> float:
    """The stall when napari adds one plain image layer, without any plugin."""
    import numpy as np
    from napari.layers import Image

    plain = Image(
        np.zeros((1024, 1024), np.float32),
        contrast_limits=(0, 1),
        visible=False,
        scale=(0.25, 0.25),
        units=("um", "um"),
    )
    with heart.watch():
        viewer.add_layer(plain)
        settle(0.3)
    viewer.layers.remove(plain)
    settle(0.2)
    return heart.longest


class Steps:
    """Longest time between two events of a widget's job: no cancel can act faster."""

    def __init__(self, widget: Any) -> None:
        self.longest, self._last = 0.0, 0.0
        widget.control.progressed.connect(self._on_event)
        widget.control.runningChanged.connect(self._on_running)

    def _on_running(self, *_: object) -> None:
        self._last = time.perf_counter()

    def _on_event(self, *_: object) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now


def segment_tissue(heart: Heartbeat, repeats: int) -> dict[str, Any]:
    viewer = new_viewer()
    first, first_opening = opened(viewer, "Segment tissue")
    with heart.watch():
        ready(first)
    loading = heart.longest
    viewer.window.remove_dock_widget(first)
    settle(0.2)
    widget, opening = opened(viewer, "Segment tissue")
    ready(widget)
    alone = statistics.median(adding_alone(heart, viewer) for _ in range(repeats))
    stalls, cancels, steps = [], [], Steps(widget)
    for _ in range(repeats):
        with heart.watch():
            widget.run()
            wait_until(lambda: not widget.isRunning(), "the run")
            settle(0.3)
        stalls.append(heart.longest)
        clear_results(viewer)
    duration = time.perf_counter()
    widget.run()
    wait_until(lambda: not widget.isRunning(), "the run")
    duration = time.perf_counter() - duration
    for part in (0.2, 0.4, 0.6, 0.8):
        widget.run()
        start = time.perf_counter()
        wait_until(lambda s=start, p=part: time.perf_counter() - s > p * duration, "the moment")
        if widget.isRunning():
            pressed = time.perf_counter()
            widget.cancel()
            wait_until(lambda: not widget.isRunning(), "the cancel")
            cancels.append(time.perf_counter() - pressed)
        settle(0.3)
    viewer.close()
    return {
        "first_opening": first_opening,
        "opening": opening,
        "stall_loading": loading,
        "stall_first": stalls[0],
        "stall": statistics.median(stalls),
        "napari_alone": alone,
        "job": duration,
        "longest_step": steps.longest,
        "cancel": max(cancels, default=float("nan")),
    }


def refine(heart: Heartbeat, repeats: int) -> dict[str, Any]:
    """Sliders on the sample, with 512 px of it on view."""
    import numpy as np

    from napari_construct.widgets._refine_job import WindowDone

    viewer = new_viewer()
    segment, _ = opened(viewer, "Segment tissue")
    ready(segment)
    segment.run()
    wait_until(lambda: not segment.isRunning(), "the run")
    viewer.window.remove_dock_widget(segment)
    settle(0.3)
    widget, opening = opened(viewer, "Refine")
    zoom_to(viewer, 512)
    times: dict[str, list[float]] = {"weight": [], "reach": [], "whole": []}
    marks: list[float] = []

    def mark(event: object) -> None:
        if isinstance(event, WindowDone):
            marks.append(time.perf_counter())

    widget.job.progressed.connect(mark)
    widget.updated.connect(lambda: times["whole"].append(time.perf_counter() - moved))
    moved = time.perf_counter()
    widget.update_once()
    wait_until(lambda: not widget.isRunning(), "the first update")
    window = np.ptp(widget.refinedLayer().corner_pixels, axis=0)
    with heart.watch():
        for i in range(6 * repeats):
            name = "appearance_weight" if i % 2 else "appearance_sigma_rgb"
            marks.clear()
            moved = time.perf_counter()
            widget.options.setCrf(name, 10 + i)
            wait_until(lambda: not widget.isRunning(), "the update")
            times["weight" if i % 2 else "reach"].append(marks[0] - moved)
    viewer.close()
    return {
        "opening": opening,
        "stall": heart.longest,
        "window_px": float(window.max()) / 1000,
        "slider_weight": statistics.median(times["weight"]),
        "slider_reach": statistics.median(times["reach"]),
        "whole_1024_px": statistics.median(times["whole"]),
    }


def clear_results(viewer: Any) -> None:
    while len(viewer.layers) > 1:
        viewer.layers.pop()
        settle(0.05)


def zoom_to(viewer: Any, pixels: int) -> None:
    """Show a square of this many pixels of the image in the middle of the canvas."""
    camera = getattr(viewer, "scene", viewer).camera
    viewer.reset_view()
    settle(0.3)
    layer = viewer.layers[0]
    for _ in range(3):
        height = float(layer.corner_pixels[1, 0] - layer.corner_pixels[0, 0])
        camera.zoom *= height / pixels
        settle(0.3)


JOBS: dict[str, Callable[[Heartbeat, int], dict[str, Any]]] = {
    "Segment tissue": segment_tissue,
    "Refine": refine,
}


def busy() -> float:
    """Seconds of processor time that the whole machine has used."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description="Stalls, cancels and openings of the dock widgets.")
    parser.add_argument("--only", nargs="*", choices=list(JOBS), help="some of the widgets")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--explain", action="store_true", help="where the GUI thread was in stalls")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ensure_display()
    from qtpy.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    rows: dict[str, dict[str, Any]] = {}
    linux = sys.platform.startswith("linux")
    for name in options.only or JOBS:
        heart = Heartbeat(options.explain)
        start, used, own = time.perf_counter(), busy() if linux else 0.0, time.process_time()
        rows[name] = JOBS[name](heart, options.repeats)
        if linux:
            others = busy() - used - (time.process_time() - own)
            cores = len(os.sched_getaffinity(0))
            rows[name]["others"] = others / (time.perf_counter() - start) / cores
        show(name, rows[name])
        for where, count in heart.where.most_common(12):
            print(f"    {count:3d} x {where}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    application.processEvents()
    return 0


def show(name: str, row: dict[str, Any]) -> None:
    print(name)
    for key, value in row.items():
        if key == "window_px":
            print(f"  {'visible':22s} {1000 * value:7.0f} px")
            continue
        if key == "others":
            print(f"  {'other processes':22s} {100 * value:7.0f} % of the processor")
            continue
        bound = " !" if "stall" in key and value > STALL_BOUND else ""
        print(f"  {key.replace('_', ' '):22s} {1000 * value:7.0f} ms{bound}")


if __name__ == "__main__":
    raise SystemExit(main())
