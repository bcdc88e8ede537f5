"""Take the pictures of the documentation: napari, the sample region, the widget, its results.

    python scripts/screenshots.py [--model NAME_OR_FILE] [--output docs/images]

Writes ``segment_tissue.png`` (dark theme) and ``segment_tissue_light.png``. Starts itself again under
``xvfb-run`` where there is no display. The model is the first bundled one unless named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_construct.widgets.segment_tissue import SegmentTissue

ROOT = Path(__file__).resolve().parents[1]
SIZE = (1600, 1000)
THEMES = {"dark": "segment_tissue.png", "light": "segment_tissue_light.png"}
TIMEOUT = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("--model", help="bundled model or checkpoint; default: the first bundled one")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    ensure_display()
    for theme, name in THEMES.items():
        take(options.output / name, theme, open_widget, options.model)
        print(options.output / name)
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


def open_widget(viewer: Any) -> SegmentTissue:
    """Open the widget as the menu does."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", "Segment tissue")
    return widget


def take(path: Path, theme: str, opened: Callable[[Any], SegmentTissue], model: str | None = None) -> None:
    """One picture of the whole window after a run on the sample."""
    import napari
    from napari.settings import get_settings
    from qtpy.QtWidgets import QApplication

    get_settings().appearance.theme = theme
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-construct", "lymph_node_tumour")
    widget = opened(viewer)
    if model is not None:
        widget.setModel(model)
    wait_for(lambda: "being loaded" not in widget.message(), "the model")
    run(widget)
    viewer.reset_view()
    arrange(viewer)
    settle(1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    viewer.close()
    QApplication.processEvents()


def run(widget: SegmentTissue) -> None:
    done: list[bool] = []
    widget.finished.connect(lambda: done.append(True))
    widget.run()
    if not widget.isRunning():
        raise SystemExit(f"the widget does not run: {widget.message()}")
    wait_for(lambda: not widget.isRunning(), "the run")
    if not done:
        raise SystemExit(f"the run failed: {widget.message()}")


def arrange(viewer: Any) -> None:
    """Tissue, CAMs and mask side by side, with a scale bar."""
    for layer in viewer.layers:
        layer.visible = True
    viewer.layers[-1].opacity = 0.8
    viewer.grid.enabled = True
    viewer.grid.shape = (2, 2)
    viewer.reset_view()
    viewer.scale_bar.visible = True


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
