"""How napari feels while the widgets work: a real viewer, real jobs, a heartbeat in the event loop.

    python benchmarks/gui_latency.py [--only NAME ...] [--apart] [--repeats 3] [--explain] [--json OUT.json]

Per widget: the time to open it (the second opening, after everything is imported; the first one beside it),
the longest stall of the event loop while its model is loaded, in the first run and in later ones (the gap
between two ticks of a 2 ms timer), beside it those of napari alone, when it adds one plain layer and when
it draws its window once more, the time from Cancel to idle at several moments of the job and beside it the
longest step, and for Refine the time from a moved slider to the new mask of a visible region of 512 px. On
Linux a gap is given without the time in which the GUI thread was ready and waited for a processor, so that
a busy machine changes little; the gap as it was stands in brackets, and after it how much of it was a
single call of napari, which nobody can divide. ``--explain`` prints where the GUI thread was in the longest
gaps. With ``--apart`` each widget is the first and only one of its process: what the others would have
imported and compiled comes in its own first run. ``pace`` is what a fixed loop of Python takes, before and
after a widget: where it is twice as much, the machine gave half of what it can. Starts itself again under
``xvfb-run`` where there is no display.

What each widget does is in ``gui_jobs.py``, one line a job.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from gui_jobs import JOBS, Task, clear_results, idle, ready
from heartbeat import LINUX, Gap, Heartbeat, pause, wait_until
from screenshots import ensure_display, settle

STALL_BOUND = 0.050
OPENING_BOUND = 0.300
SLIDER_BOUND = 0.250
DRAWING = 0.005
"""A turn of the event loop that takes less has drawn nothing."""

CANCEL_BOUND = 0.200
"""On top of the longest step."""


def opened(viewer: Any, name: str) -> tuple[Any, float]:
    """A widget as the menu opens it, and the seconds until the window is drawn with it.

    Napari draws it twice: with the dock, and with a canvas that has made room.
    """
    from qtpy.QtWidgets import QApplication

    start = turn = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", name)
    drawn = False
    while not drawn:
        QApplication.processEvents()
        before, turn = turn, time.perf_counter()
        drawn = turn - before < DRAWING
    return widget, turn - start


def new_viewer() -> Any:
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    settle(0.5)
    return viewer


def napari_alone(heart: Heartbeat, viewer: Any) -> dict[str, Gap]:
    """The stalls of napari without any plugin.

    When it adds a plain image or labels layer (the second of each), and when it draws its window once more.
    """
    import numpy as np
    from napari.layers import Image, Labels
    from qtpy.QtWidgets import QWidget

    from napari_construct.widgets.layers import camera

    place = {"scale": (0.25, 0.25), "units": ("um", "um")}
    found = {}
    for _ in range(2):
        for layer in (
            Image(np.zeros((1024, 1024), np.float32), contrast_limits=(0, 1), **place),
            Labels(np.zeros((1024, 1024), np.uint8), **place),
        ):
            with heart.watch():
                viewer.add_layer(layer)
                pause(0.3)
            found[type(layer).__name__.lower()] = heart.longest()
            viewer.layers.remove(layer)
            pause(0.2)
    window = viewer.window._qt_window  # noqa: SLF001 - only its widgets are looked at
    with heart.watch():
        camera(viewer).zoom *= 1.01
        for part in window.findChildren(QWidget):
            part.update()
        pause(0.3)
    camera(viewer).zoom /= 1.01
    return found | {"window": heart.longest()}


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


def run_job(task: Task, heart: Heartbeat, repeats: int) -> dict[str, Any]:
    """A widget that has Run and Cancel, on the sample."""
    with tempfile.TemporaryDirectory() as folder:
        viewer = new_viewer()
        task.prepare(viewer)
        settle(0.5)
        count = len(viewer.layers)
        first, first_opening = opened(viewer, task.widget)
        with heart.watch():
            task.fill(first, viewer, Path(folder) / "first")
            ready(first)
        loading = heart.longest()
        heart.explain("loading")
        viewer.window.remove_dock_widget(first)
        pause(0.2)
        widget, opening = opened(viewer, task.widget)
        stalls, steps = [], Steps(widget)
        for i in range(repeats + 1):
            task.fill(widget, viewer, Path(folder) / str(i))
            ready(widget)
            with heart.watch():
                run(task, widget)
                pause(0.3)
            stalls.append(heart.longest())
            heart.explain(f"run {i}")
            clear_results(viewer, count)
        cancels, duration = cancelled(task, widget, viewer, Path(folder))
        alone = napari_alone(heart, viewer)  # last: it makes what a first run has to make otherwise
        viewer.close()
    later = sorted(stalls[1:], key=lambda gap: gap.own)
    return {
        "first_opening": first_opening,
        "opening": opening,
        "stall_loading": loading,
        "stall_first": stalls[0],
        "stall": later[len(later) // 2],
        "napari_adds_image": alone["image"],
        "napari_adds_labels": alone["labels"],
        "napari_draws": alone["window"],
        "job": duration,
        "longest_step": steps.longest,
        "cancel": max(cancels, default=float("nan")),
    }


def run(task: Task, widget: Any) -> None:
    """From Run to idle; a job that fails is no measurement."""
    returned: list[Any] = []
    widget.control.returned.connect(returned.append)
    task.start(widget)
    wait_until(lambda: idle(widget), "the run")
    widget.control.returned.disconnect(returned.append)
    if not returned:
        raise SystemExit(f"{task.widget} did not run: {widget.message()}")


def cancelled(task: Task, widget: Any, viewer: Any, folder: Path) -> tuple[list[float], float]:
    """Seconds from Cancel to idle at several moments of the job, and those of the whole job."""
    count = len(viewer.layers)
    task.fill(widget, viewer, folder / "whole")
    ready(widget)
    start = time.perf_counter()
    run(task, widget)
    duration = time.perf_counter() - start
    clear_results(viewer, count)
    cancels = []
    for part in (0.2, 0.4, 0.6, 0.8):
        task.fill(widget, viewer, folder / f"part {part}")
        ready(widget)
        task.start(widget)
        pause(part * duration)
        if widget.isRunning():
            pressed = time.perf_counter()
            widget.cancel()
            wait_until(lambda: not widget.isRunning(), "the cancel")
            cancels.append(time.perf_counter() - pressed)
        pause(0.3)
        ready(widget)
        clear_results(viewer, count)
    return cancels, duration


def refine(heart: Heartbeat, repeats: int) -> dict[str, Any]:
    """Sliders on the sample, with 512 px of it on view."""
    import numpy as np

    from napari_construct.widgets.refine.job import WindowDone

    viewer = new_viewer()
    segment, _ = opened(viewer, "Segment tissue")
    ready(segment)
    segment.run()
    wait_until(lambda: not segment.isRunning(), "the run")
    viewer.window.remove_dock_widget(segment)
    pause(0.3)
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
    with heart.watch():
        widget.update_once()
        wait_until(lambda: not widget.isRunning(), "the first update")
        pause(0.3)
    first = heart.longest()
    heart.explain("Refine")
    window = np.ptp(widget.refinedLayer().corner_pixels, axis=0)
    with heart.watch():
        for i in range(6 * repeats):
            name = "appearance_weight" if i % 2 else "appearance_sigma_rgb"
            marks.clear()
            moved = time.perf_counter()
            widget.options.field(f"crf.{name}").put(10 + i)
            wait_until(lambda: not widget.isRunning(), "the update")
            times["weight" if i % 2 else "reach"].append(marks[0] - moved)
    heart.explain("Refine")
    viewer.close()
    return {
        "opening": opening,
        "stall_first": first,
        "stall": heart.longest(),
        "window_px": float(window.max()) / 1000,
        "slider": statistics.median([*times["weight"], *times["reach"]]),
        "slider_weight": statistics.median(times["weight"]),
        "slider_reach": statistics.median(times["reach"]),
        "whole_1024_px": statistics.median(times["whole"]),
    }


def zoom_to(viewer: Any, pixels: int) -> None:
    """Show a square of this many pixels of the image in the middle of the canvas."""
    from napari_construct.widgets.layers import camera

    viewer.reset_view()
    settle(0.3)
    layer = viewer.layers[0]
    for _ in range(3):
        height = float(layer.corner_pixels[1, 0] - layer.corner_pixels[0, 0])
        camera(viewer).zoom *= height / pixels
        settle(0.3)


def busy() -> float:
    """Seconds of processor time that the whole machine has used."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / os.sysconf("SC_CLK_TCK")


def pace() -> list[float]:
    """Seconds of a fixed piece of work, several times."""
    return timeit.repeat("for i in range(100_000): i * i", number=1, repeat=5)


def main() -> int:
    parser = argparse.ArgumentParser(description="Stalls, cancels and openings of the dock widgets.")
    parser.add_argument("--only", nargs="*", choices=[*JOBS, "Refine"], help="some of the widgets")
    parser.add_argument("--apart", action="store_true", help="a process for each widget")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first, at least 1")
    parser.add_argument("--explain", action="store_true", help="where the GUI thread was in stalls")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = options.only or [*JOBS, "Refine"]
    ensure_display()
    rows = apart(names, options) if options.apart else together(names, options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


def apart(names: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Every widget in a process of its own."""
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        for name in names:
            command = [sys.executable, __file__, "--only", name, "--json", str(out)]
            command += ["--repeats", str(options.repeats), *["--explain"] * options.explain]
            subprocess.run(command, check=True)
            rows |= json.loads(out.read_text(encoding="utf-8"))
    return rows


def together(names: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """One widget after the other in this process."""
    faulthandler.enable()
    from qtpy.QtWidgets import QApplication

    with tempfile.TemporaryDirectory() as folder:
        # neither the user's choices in here, nor ours in theirs
        os.environ["NAPARI_CONSTRUCT_WIDGETS"] = str(Path(folder) / "widgets.ini")
        os.environ["NAPARI_CONSTRUCT_HOME"] = folder
        application = QApplication.instance() or QApplication([])
        rows: dict[str, dict[str, Any]] = {}
        heart = Heartbeat(options.explain)
        for name in names:
            paces = pace()
            start, used, own = time.perf_counter(), busy() if LINUX else 0.0, time.process_time()
            if name == "Refine":
                rows[name] = refine(heart, options.repeats)
            else:
                rows[name] = run_job(JOBS[name], heart, options.repeats)
            if LINUX:
                others = busy() - used - (time.process_time() - own)
                cores = len(os.sched_getaffinity(0))
                rows[name]["others"] = others / (time.perf_counter() - start) / cores
            rows[name]["pace"] = statistics.median([*paces, *pace()])
            show(name, rows[name])
            sys.stdout.flush()
        application.processEvents()
    return {name: {k: getattr(v, "own", v) for k, v in row.items()} for name, row in rows.items()}


def show(name: str, row: dict[str, Any]) -> None:
    print(name)
    bounds = {"opening": OPENING_BOUND, "slider": SLIDER_BOUND}
    bounds["cancel"] = row.get("longest_step", 0.0) + CANCEL_BOUND
    for key, value in row.items():
        if key == "window_px":
            print(f"  {'visible':22s} {1000 * value:7.0f} px")
        elif key == "others":
            print(f"  {'other processes':22s} {100 * value:7.0f} % of the processor")
        else:
            number = value.own if isinstance(value, Gap) else value
            bound = STALL_BOUND if key.startswith("stall") else bounds.get(key, float("inf"))
            over = " !" if number > bound else ""
            rest = f" ({1000 * value.wall:.0f}){over}{_single(value)}" if isinstance(value, Gap) else over
            print(f"  {key.replace('_', ' '):22s} {1000 * number:7.0f} ms{rest}")


def _single(gap: Gap) -> str:
    seconds, name = gap.single
    return f"  {1000 * seconds:.0f} in one call of napari: {name}" if name else ""


if __name__ == "__main__":
    raise SystemExit(main())
