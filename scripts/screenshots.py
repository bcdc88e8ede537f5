"""Take the pictures of the documentation: napari with a sample, each dock widget, its results.

    python scripts/screenshots.py [--only WIDGET ...] [--model NAME_OR_FILE] [--output docs/images]

Writes ``WIDGET.png`` (dark theme) and ``WIDGET_light.png``. Starts itself again under ``xvfb-run`` where
there is no display. The model is the first bundled one unless named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZE = (1600, 1000)
THEMES = {"dark": "", "light": "_light"}
TIMEOUT = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("--only", nargs="*", choices=list(SCENES), help="some of the widgets")
    parser.add_argument("--model", help="bundled model or checkpoint; default: the first bundled one")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    ensure_display()
    with tempfile.TemporaryDirectory() as folder:
        # nothing of the user's own choices in the pictures, and nothing of ours in theirs
        os.environ["NAPARI_CONSTRUCT_WIDGETS"] = str(Path(folder) / "widgets.ini")
        for name in options.only or SCENES:
            for theme, suffix in THEMES.items():
                path = options.output.resolve() / f"{name}{suffix}.png"
                take(path, theme, SCENES[name], options.model)
                print(path)
    return 0


def ensure_display() -> None:
    """Replace this process by itself under xvfb-run where Linux has no display."""
    # a user's own napari settings must not show in the pictures; an empty name keeps napari's defaults
    os.environ.setdefault("NAPARI_CONFIG", "")
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    xvfb = shutil.which("xvfb-run")
    if xvfb is None:
        raise SystemExit("expected a display or xvfb-run, found neither; install xvfb")
    screen = f"-screen 0 {SIZE[0] + 100}x{SIZE[1] + 100}x24"
    os.execv(xvfb, [xvfb, "-a", "-s", screen, sys.executable, *sys.argv])


def open_widget(viewer: Any, name: str = "Segment") -> Any:
    """Open a widget as the menu does."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", name)
    return widget


def take(path: Path, theme: str, scene: Callable[[Any, str | None], None], model: str | None = None) -> None:
    """One picture of the whole window after a scene was played, in a folder that is empty before it."""
    import napari
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    get_settings().appearance.theme = theme
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # short paths, and files that are there
        viewer = napari.Viewer(title="napari")
        viewer.window.resize(*SIZE)
        scene(viewer, model)
        settle(1.0)
        viewer.screenshot(str(path), canvas_only=False, flash=False)
        viewer.close()
        QApplication.processEvents()


def construct(viewer: Any, model: str | None) -> None:
    """Every step in one dock: the sample's mask, and what may follow it."""
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer, "ConStruct")
    segment = widget.showStep("segment")
    if model is not None:
        segment.setModel(model)
    wait_for(lambda: "being loaded" not in segment.message(), "the model")
    run(segment)
    viewer.reset_view()


def segment_tissue(viewer: Any, model: str | None) -> None:
    """The sample, its class maps and its mask side by side."""
    widget = segmented(viewer, model)
    tick(widget, "Show class maps")
    wait_for(lambda: not widget.isRunning(), "the class maps")
    arrange(viewer)


def refine(viewer: Any, model: str | None) -> None:
    """A milder CRF on the mask of the sample."""
    viewer.window.remove_dock_widget(segmented(viewer, model))
    widget = open_widget(viewer, "Refine")
    crf = widget.value().crf.model_copy(update={"appearance_weight": 8.0, "smoothness_sigma": 5.0})
    widget.setValue(widget.value().changed(crf=crf.model_dump()))
    wait_for(lambda: not widget.isRunning(), "the refinement")
    viewer.reset_view()


def batch(viewer: Any, model: str | None) -> None:
    """A stack and a broken file."""
    viewer.open_sample("napari-construct", "lymph_node_stack")
    widget = open_widget(viewer, "Batch")
    if model is not None:
        widget.setValue(widget.value().model_copy(update={"model": model}))
    Path("broken_slide.tif").write_bytes(b"II*\x00")
    widget.addLayer(viewer.layers[0])
    widget.addPaths(["broken_slide.tif"])
    widget.setOutput("results")
    wait_for(lambda: "being loaded" not in widget.message(), "the model")
    run(widget)
    viewer.reset_view()


def train_adapters(viewer: Any, model: str | None) -> None:  # noqa: ARG001 - it makes its own
    """A few epochs on the patches of the tests, scrolled to what a run shows."""
    from qtpy.QtWidgets import QScrollArea

    from napari_construct.classes import ClassTable

    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer, "Train a model")
    shutil.copytree(ROOT / "tests" / "assets" / "camelyon", "lymph_nodes")
    widget.setData("lymph_nodes")
    wait_for(lambda: not widget.isLooking(), "the look at the patches")
    widget.classes.setValue(ClassTable.from_names(("tumour", "lymphoid")))
    widget.setValue(widget.value().changed(epochs=4, batch_size=3, patch_mpp=0.25))
    widget.setOutput("lymph_nodes.construct")
    run(widget)
    settle(3.0)  # the curves follow
    widget.findChild(QScrollArea).ensureWidgetVisible(widget.progress.previews)
    settle(0.5)
    viewer.reset_view()


def distil(viewer: Any, model: str | None) -> None:  # noqa: ARG001 - it makes its own
    """Two layers of a phantom and the cells of a tool; a short run, scrolled to what it shows."""
    from qtpy.QtWidgets import QScrollArea

    from napari_construct.crossmodal.phantom import phantom

    tissue = phantom(7, (640, 640))
    where: dict[str, Any] = {"scale": (tissue.mpp, tissue.mpp), "units": ("um", "um")}
    for channel, name, colour in zip(tissue.channels, tissue.names, ("cyan", "magenta"), strict=True):
        viewer.add_image(channel, name=name, colormap=colour, blending="additive", **where)
    cells = viewer.add_labels(tissue.instances, name="cells of a tool", opacity=0.4, **where)
    cells.contour = 2
    widget = open_widget(viewer, "Distil single-channel student")
    widget.images.mode.put("layers")
    wait_for(lambda: not widget.isLooking(), "the look at the layers")
    widget.setValue(
        widget.value().changed(student="mobilenet_v3", steps=60, batch_size=4, patch=96, validations=4)
    )
    widget.setOutput("nuclear-student.construct")
    run(widget)
    settle(3.0)  # the curves follow
    widget.findChild(QScrollArea).ensureWidgetVisible(widget.progress.previews)
    settle(0.5)
    viewer.reset_view()


def evaluate(viewer: Any, model: str | None) -> None:
    """The sample's mask against its annotation."""
    viewer.open_sample("napari-construct", "lymph_node_tumour_annotated")
    viewer.layers[-1].visible = False
    segment = open_widget(viewer)
    if model is not None:
        segment.setModel(model)
    segment.setLayer(viewer.layers[0])
    wait_for(lambda: "being loaded" not in segment.message(), "the model")
    run(segment)
    viewer.window.remove_dock_widget(segment)
    widget = open_widget(viewer, "Evaluate")
    run(widget)
    viewer.layers[-2].visible = False
    viewer.reset_view()


def prototypes(viewer: Any, model: str | None) -> None:
    """Where the second prototype of tumour sees itself, what decides, and its top patches."""
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer, "Prototypes")
    if model is not None:
        widget.setModel(model)
    wait_for(lambda: not widget.model.isLoading(), "the model")
    widget.setValue(widget.value().changed(prototype="tumour 2"))
    run(widget)
    unfold(widget, "Top patches")
    widget.search()
    wait_for(lambda: not widget.isRunning(), "the search")
    layer = viewer.layers[0]
    widget.view.pause()
    widget.view.tell(tuple(layer.data_to_world((940, 690))))
    viewer.reset_view()


def teach(viewer: Any, model: str | None) -> None:
    """A few strokes of two classes on the sample, and the mask that they give."""
    import numpy as np

    from napari_construct.classes import ClassTable

    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer, "Teach")
    if model is not None:
        widget.setModel(model)
    widget.box.setValue(ClassTable.from_names(("tumour", "lymphoid")))
    widget.box.paint()
    wait_for(lambda: not widget.isRunning() and len(viewer.layers) > 1, "the layer of strokes")
    strokes = viewer.layers[-1]
    along = np.arange(90)
    starts = {
        1: ((220, 900), (420, 860), (620, 850), (930, 560)),
        2: ((40, 500), (120, 120), (330, 420), (560, 20), (620, 600), (820, 260), (960, 60)),
    }
    for value, corners in starts.items():
        for row, column in corners:
            line = row + np.round(12 * np.sin(along / 14)).astype(int)
            rows = (line[:, None] + np.arange(9)).ravel()
            strokes.data_setitem((rows, np.repeat(column + along, 9)), value)
    wait_for(lambda: "Up to date" in widget.live.status.text() and not widget.isRunning(), "the mask")
    viewer.reset_view()


def models(viewer: Any, model: str | None) -> None:  # noqa: ARG001 - as all scenes
    """The gate of CONCH, and this installation's diagnostics."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["NAPARI_CONSTRUCT_HOME"] = home  # nothing of what is on this computer
        widget = open_widget(viewer, "Models")
        wait_for(lambda: not widget.isListing(), "the list")
        widget.choose("encoder", "conch")
        settle(0.5)
        del os.environ["NAPARI_CONSTRUCT_HOME"]


def tick(widget: Any, name: str) -> None:
    """Tick a box by its text."""
    from qtpy.QtWidgets import QCheckBox

    next(box for box in widget.findChildren(QCheckBox) if box.text() == name).setChecked(True)


def unfold(widget: Any, title: str) -> None:
    """Open one of a widget's folded parts."""
    from superqt import QCollapsible

    for part in widget.findChildren(QCollapsible):
        if title in part.text():
            part.expand(animate=False)


SCENES: dict[str, Callable[[Any, str | None], None]] = {
    "construct": construct,
    "segment_tissue": segment_tissue,
    "refine": refine,
    "batch": batch,
    "teach": teach,
    "prototypes": prototypes,
    "models": models,
    "train_adapters": train_adapters,
    "distil": distil,
    "evaluate": evaluate,
}


def segmented(viewer: Any, model: str | None) -> Any:
    """Segment the sample; the widget that did it."""
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer)
    if model is not None:
        widget.setModel(model)
    wait_for(lambda: "being loaded" not in widget.message(), "the model")
    run(widget)
    return widget


def run(widget: Any) -> None:
    done: list[bool] = []
    widget.finished.connect(lambda: done.append(True))
    widget.run()
    if not widget.isRunning():
        raise SystemExit(f"the widget does not run: {widget.message()}")
    wait_for(lambda: not widget.isRunning(), "the run")
    if not done:
        raise SystemExit(f"the run failed: {widget.message()}")


def arrange(viewer: Any) -> None:
    """Tissue, class maps and mask side by side, with a scale bar."""
    for layer in viewer.layers:
        layer.visible, layer.opacity = True, 1.0  # nothing lies below that should shine through
    viewer.layers[-1].opacity = 0.8
    canvas = getattr(viewer, "canvas", viewer)  # napari 0.9 moved both there
    canvas.grid.enabled = True
    canvas.grid.shape = (2, 2)
    viewer.reset_view()
    getattr(canvas, "overlays", viewer).scale_bar.visible = True


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited {TIMEOUT:.0f} s for {what} in vain")
        settle(0.02)


def settle(seconds: float) -> None:
    """Let the window draw itself."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    raise SystemExit(main())
