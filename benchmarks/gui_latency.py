"""Whether napari goes on answering while the widgets work: a real viewer, real jobs, a heartbeat.

    python benchmarks/gui_latency.py [--only NAME ...] [--repeats 3]

Per widget the longest stall of the event loop in a run (the longest gap between two ticks of a 2 ms timer),
beside it that of napari alone when it is given the same layers in the same process, one a turn of the event
loop; the bar for the difference is 50 ms. The time from Cancel to idle stands beside the longest step of the
job (bar: 200 ms more), and for Refine the time from a moved slider to the new mask of a visible region of
512 px (bar: 250 ms). "first" is the first run of the widget in this process, the others are medians.

On Linux a gap is given without the time in which the GUI thread was ready and waited for a processor, so
that a busy machine changes little. ``--explain MS`` prints where every thread was after so long a gap.
Starts itself again under ``xvfb-run`` where there is no display.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STALL, CANCEL, SLIDER = 0.050, 0.200, 0.250
PATCHES = ROOT / "tests" / "assets" / "camelyon"
TIMEOUT = 600.0


class Heartbeat:
    """The longest gap between two ticks of the event loop while it is watched, in seconds."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.longest = 0.0
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    @contextmanager
    def watch(self) -> Iterator[None]:
        self._last, self.longest = self._now(), 0.0
        self._timer.start(2)
        try:
            yield
            self._tick()
        finally:
            self._timer.stop()

    def _now(self) -> float:
        """Seconds, without those in which this thread was ready to run and had no processor."""
        waited = 0
        if self._schedule.is_file():
            waited = int(self._schedule.read_text(encoding="ascii").split()[1])
        return time.perf_counter() - waited / 1e9

    def _tick(self) -> None:
        now = self._now()
        self.longest, self._last = max(self.longest, now - self._last), now


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Run the event loop as napari does, not in slices of ours."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, poll, end = QEventLoop(), QTimer(), time.monotonic() + TIMEOUT
    poll.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    poll.start(1)
    loop.exec()
    poll.stop()
    if not condition():
        raise SystemExit(f"waited {TIMEOUT:.0f} s for {what} in vain")


def pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end, "nothing")


def idle(widget: Any) -> bool:
    """Whether neither the job nor anything around it is under way."""
    looks = (getattr(widget, name, None) for name in ("isRunning", "isLooking", "isPreparing"))
    return not any(look() for look in looks if look) and "being loaded" not in widget.message()


def batch(widget: Any, viewer: Any, folder: Path) -> None:
    widget.addLayer(viewer.layers[0])
    widget.setOutput(str(folder))


def train(widget: Any, _: Any, folder: Path) -> None:
    """Six patches, validated on a region with its mask after each of two epochs."""
    shutil.copytree(PATCHES, folder / "patches")
    widget.setData(str(folder / "patches"))
    widget.setValue(widget.value().changed(epochs=2, batch_size=2, patch_mpp=0.25))
    widget.setOutput(str(folder / "model"))


def evaluate(widget: Any, viewer: Any, _: Path) -> None:
    """The sample's annotation, and the same moved by some pixels as the prediction."""
    import numpy as np

    from napari_construct.widgets.files.sample_data import lymph_node_tumour_annotated

    labels, options, _ = lymph_node_tumour_annotated()[-1]
    if len(viewer.layers) == 1:
        viewer.add_labels(labels, **options)
        viewer.add_labels(np.roll(labels, 20, axis=0), **options | {"name": "prediction"})
    widget.setLayers(*viewer.layers[2:0:-1])


FILL = {
    "Segment": lambda *_: None,
    "Prototypes": lambda *_: None,
    "Batch": batch,
    "Evaluate": evaluate,
    "Train a model": train,
}
"""What Run needs besides the layer that is there, by the widget, the viewer and a new folder."""


def new_viewer(heart: Heartbeat) -> Any:
    """A viewer with the sample, which has done what napari does once in a process."""
    import napari
    import numpy as np

    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    place = {"scale": (0.25, 0.25), "units": ("um", "um")}
    labels = np.ones((64, 64), np.uint8)
    made = [viewer.add_image(np.zeros((64, 64)), **place), viewer.add_labels(labels, **place)]
    pause(1.0)
    alone(heart, viewer, made)
    return viewer


def opened(viewer: Any, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", name)
    wait_until(lambda: idle(widget), "the model")
    pause(0.5)
    return widget


def alone(heart: Heartbeat, viewer: Any, layers: list[Any]) -> float:
    """The longest stall of napari when it is given layers like these, which leave the viewer."""
    from napari.layers import Layer
    from qtpy.QtCore import QTimer

    copies = [Layer.create(*layer.as_layer_data_tuple()) for layer in layers]
    remove(viewer, layers)

    def add_next() -> None:
        if waiting:
            viewer.add_layer(waiting.pop(0))
            QTimer.singleShot(0, add_next)

    waiting = list(copies)
    with heart.watch():
        QTimer.singleShot(0, add_next)
        wait_until(lambda: not waiting, "napari")
        pause(0.3)
    remove(viewer, copies)
    return heart.longest


def remove(viewer: Any, layers: list[Any]) -> None:
    """One a frame: where several go before one is drawn, vispy may crash on Mesa, also in napari alone."""
    for layer in layers:
        viewer.layers.remove(layer)
        pause(0.2)


def run_job(name: str, heart: Heartbeat, repeats: int, folder: Path) -> dict[str, float]:
    """A widget that has Run and Cancel, on the sample."""
    viewer, steps, stamps = new_viewer(heart), [0.0], [0.0]
    widget = opened(viewer, name)

    def on_event(*_: object) -> None:
        stamps.append(time.perf_counter())
        steps.append(stamps[-1] - stamps[-2])

    def fill(number: int) -> None:
        (folder / str(number)).mkdir()
        FILL[name](widget, viewer, folder / str(number))
        wait_until(lambda: idle(widget), "what Run needs")
        pause(0.3)
        stamps[:] = [time.perf_counter()]

    widget.control.progressed.connect(on_event)
    stalls, naparis = [], []
    for i in range(repeats + 1):
        fill(i)
        before, returned = list(viewer.layers), []
        widget.control.returned.connect(returned.append)
        with heart.watch():
            widget.run()
            wait_until(lambda: not widget.isRunning(), "the run")
            duration = time.perf_counter() - stamps[0]
            pause(0.3)
        widget.control.returned.disconnect(returned.append)
        if not returned:
            raise SystemExit(f"{name} did not run: {widget.message()}")
        stalls.append(heart.longest)
        naparis.append(alone(heart, viewer, [layer for layer in viewer.layers if layer not in before]))
    cancels = []
    for i in range(repeats):
        fill(100 + i)
        widget.run()
        pause((0.3 + 0.4 * i / repeats) * duration)
        pressed = time.perf_counter()
        widget.cancel()
        wait_until(lambda: not widget.isRunning(), "the cancel")
        cancels.append(time.perf_counter() - pressed)
        pause(0.5)
    viewer.close()
    compared = {"first": stalls[0], "stall": median(stalls[1:]), "napari alone": median(naparis)}
    return {**compared, "longest step": max(steps), "cancel": max(cancels)}


def refine(heart: Heartbeat, repeats: int) -> dict[str, float]:
    """The first update, which adds the layer, and sliders with 512 px of the sample on view."""
    from napari_construct.widgets.layers import look_at
    from napari_construct.widgets.refine.job import WindowDone

    viewer = new_viewer(heart)
    segment = opened(viewer, "Segment")
    segment.run()
    wait_until(lambda: not segment.isRunning(), "the run")
    viewer.window.remove_dock_widget(segment)
    look_at(viewer, viewer.layers[0], (512, 512), 512, 800)
    widget, shown, sliders, stalls, naparis = opened(viewer, "Refine"), [], [], [], []
    widget.job.progressed.connect(
        lambda event: shown.append(time.perf_counter()) if isinstance(event, WindowDone) else None
    )
    for i in range(repeats + 1):
        with heart.watch():
            widget.update_once()
            wait_until(lambda: not widget.isRunning(), "the first update")
            pause(0.3)
        stalls.append(heart.longest)
        moving = 0.0
        for j in range(4):
            shown.clear()
            start = time.perf_counter()
            with heart.watch():
                name = "appearance_weight" if j % 2 else "appearance_sigma_rgb"
                widget.options.field(f"crf.{name}").put(10 + j + i)
                wait_until(lambda: not widget.isRunning(), "the update")
            sliders.append(shown[0] - start)
            moving = max(moving, heart.longest)
        naparis.append(alone(heart, viewer, [widget.refinedLayer()]))
    viewer.close()
    compared = {"first": stalls[0], "stall": median(stalls[1:]), "napari alone": median(naparis)}
    return {**compared, "stall, slider": moving, "slider": median(sliders)}


def show(name: str, row: dict[str, float]) -> None:
    bars = dict.fromkeys(("first", "stall", "stall, slider"), row["napari alone"] + STALL)
    bars |= {"cancel": row.get("longest step", 0.0) + CANCEL, "slider": SLIDER}
    row |= {"difference": row["stall"] - row["napari alone"]}
    cells = [f"{k} {1000 * v:.0f} ms{' !' if v > bars.get(k, v) else ''}" for k, v in row.items()]
    print(f"{name}: {', '.join(cells)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Stalls, cancels and sliders of the dock widgets.")
    parser.add_argument("--only", nargs="*", choices=[*FILL, "Refine"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "scripts"))
    from screenshots import ensure_display

    ensure_display()
    from qtpy.QtWidgets import QApplication

    application, heart = QApplication.instance() or QApplication([]), Heartbeat()
    for name in options.only or [*FILL, "Refine"]:
        with tempfile.TemporaryDirectory() as folder:
            # neither the user's choices in here, nor ours in theirs
            os.environ["NAPARI_CONSTRUCT_WIDGETS"] = str(Path(folder) / "widgets.ini")
            os.environ["NAPARI_CONSTRUCT_HOME"] = folder
            given = heart, options.repeats
            show(name, refine(*given) if name == "Refine" else run_job(name, *given, Path(folder)))
        application.processEvents()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
