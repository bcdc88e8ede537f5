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


def label_patches(viewer: Any, model: str | None) -> None:
    """Patches of the sample with a model's guesses, half of them labelled by keys."""
    from qtpy.QtTest import QTest

    from napari_construct.classes import ClassTable
    from napari_construct.models.default_model import DEFAULT_MODEL

    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = open_widget(viewer, "Label patches")
    widget.form.classes.setValue(ClassTable.from_names(("tumour", "lymphoid", "stroma")))
    widget.form.setModel(model or DEFAULT_MODEL)
    widget.form.setOutput("patches_to_label")
    settings = widget.form.settings.value().changed(count=30, side=128, mpp=0.25, candidates=60)
    widget.form.settings.setValue(settings)
    run(widget)
    for keys in ("1", "2", "1", "12", "0", "2", "13", "2", "1", "23", "2", "2", "1", "2"):
        for key in keys:
            QTest.keyClick(widget.gallery, key)
        QTest.keyClick(widget.gallery, "N")
    QTest.keyClick(widget.gallery, "1")
    widget.gallery.setFocus()
    viewer.reset_view()


def retrain(viewer: Any, model: str | None) -> None:
    """Strokes from the sample's annotation on an empty layer over its mask; a short retraining."""
    import numpy as np

    viewer.open_sample("napari-construct", "lymph_node_tumour_annotated")
    truth = np.asarray(viewer.layers[-1].data)
    viewer.layers[-1].visible = False
    segment = open_widget(viewer)
    if model is not None:
        segment.setModel(model)
    wait_for(lambda: "being loaded" not in segment.message(), "the model")
    run(segment)
    mask = next(layer for layer in viewer.layers if layer.name.endswith("mask"))
    viewer.layers.selection.active = mask
    widget = open_widget(viewer, "Correct and retrain")
    widget.addEmptyLayer()
    strokes = viewer.layers[-1]
    random = np.random.default_rng(1)
    strokes.brush_size = 9
    for _ in range(40):
        row, column = (int(random.integers(10, side - 40)) for side in truth.shape)
        value = int(truth[row, column])
        for shift in range(0, 30, 3):
            if value and truth[row, column + shift] == value:
                strokes.paint((row, column + shift), value)
    wait_for(lambda: bool(widget.corrections.every()), "the corrections")
    widget.setValue(widget.value().changed(steps=20, batch_size=4))
    widget.setOutput("lymph_nodes-corrected.construct")
    run(widget)
    settle(3.0)  # the curves follow
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


def slide(viewer: Any, model: str | None) -> None:
    """A whole slide, before it is segmented: what a run would write, and where."""
    with_slide(viewer, model)


def slide_during(viewer: Any, model: str | None) -> None:
    """The mask of a whole slide while it fills, part by part."""
    widget = with_slide(viewer, model)
    grown: list[object] = []

    def follow(event: object) -> None:
        if type(event).__name__ == "MaskGrown":
            grown.append(event)

    widget.control.progressed.connect(follow)
    widget.run()
    wait_for(lambda: len(grown) >= 2 or not widget.isRunning(), "the second part of the mask")
    if not widget.isRunning():
        raise SystemExit(f"the run is over: {widget.message()}")
    settle(0.6)  # the layer is drawn again


def slide_after(viewer: Any, model: str | None) -> None:
    """The mask of a whole slide, with areas; zoomed in where tissue begins."""
    widget = with_slide(viewer, model)
    run(widget)
    settle(2.0)  # the line about the folder follows
    getattr(viewer, "scene", viewer).camera.zoom *= 3


def with_slide(viewer: Any, model: str | None) -> Any:
    """Open a generated slide of 6,000 pixels with Segment beside it; the widget, ready to run."""
    from napari_construct.widgets.parts.slide_commands import open_slide_layer

    write_slide(Path("lymph_node.tif"), 6000)
    open_slide_layer(viewer, Path("lymph_node.tif"))
    widget = open_widget(viewer)
    if model is not None:
        widget.setModel(model)
    wait_for(lambda: "being loaded" not in widget.message(), "the model")
    wait_for(lambda: not widget.control.blockedReason(), "the look at the folder")
    viewer.reset_view()
    settle(1.0)
    return widget


def write_slide(path: Path, side: int) -> None:
    """A pyramidal slide: a round piece of the sample's tissue, mirrored again and again, on glass."""
    import numpy as np
    import tifffile
    from PIL import Image

    import napari_construct

    samples = Path(napari_construct.__file__).parent / "data" / "samples"
    sample = np.asarray(Image.open(samples / "lymph_node_tumour.png").convert("RGB"))
    tissue = np.concatenate([sample, sample[:, ::-1]], 1)
    tissue = np.concatenate([tissue, tissue[::-1]], 0)
    times = -(-side // tissue.shape[0])
    image = np.tile(tissue, (times, times, 1))[:side, :side].copy()
    rows, columns = np.ogrid[:side, :side]
    angle = np.arctan2(rows - side / 2, columns - side / 2)
    border = side * (0.36 + 0.05 * np.sin(3 * angle) + 0.02 * np.sin(7 * angle))
    image[np.hypot(rows - side / 2, columns - side / 2) > border] = 246
    options: dict[str, Any] = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg"}
    scale = {"resolution": (1e4 / 0.25, 1e4 / 0.25), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        file.write(image, subifds=2, **options, **scale)
        for step in (4, 16):
            file.write(image[::step, ::step], subfiletype=1, **options)


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
    "slide": slide,
    "slide_during": slide_during,
    "slide_after": slide_after,
    "teach": teach,
    "prototypes": prototypes,
    "models": models,
    "label_patches": label_patches,
    "train_adapters": train_adapters,
    "retrain": retrain,
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
