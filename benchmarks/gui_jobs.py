"""What each dock widget does in ``gui_latency.py``: filled in, started, idle again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heartbeat import pause, wait_until

ROOT = Path(__file__).resolve().parents[1]
PATCHES = ROOT / "tests" / "assets" / "camelyon"
BUNDLED = ROOT / "src" / "napari_construct" / "models" / "bundled"

Fill = Callable[[Any, Any, Path], None]


@dataclass(frozen=True)
class Task:
    """One real job of a widget.

    Attributes
    ----------
    widget : str
        Its name in napari's menu.
    fill : callable
        Fills in what Run needs; called before each run with the widget, the viewer and a new folder.
    start : callable
        Starts the job, by default as Run does.
    prepare : callable
        Adds to the viewer with the sample what else has to be there, before the widget is opened.
    """

    widget: str
    fill: Fill
    start: Callable[[Any], None] = lambda widget: widget.run()
    prepare: Callable[[Any], None] = lambda _: None


def idle(widget: Any) -> bool:
    """Whether neither the job nor anything around it is under way."""
    looks = (getattr(widget, name, None) for name in ("isRunning", "isLooking", "isListing", "isPreparing"))
    return not any(look() for look in looks if look is not None)


def ready(widget: Any) -> None:
    """Wait until it can be started."""
    wait_until(lambda: idle(widget) and "being loaded" not in widget.message(), "the model")


def clear_results(viewer: Any, keep: int = 1) -> None:
    """Only the layers that were there first stay."""
    while len(viewer.layers) > keep:
        viewer.layers.pop()
        pause(0.05)


def _nothing(widget: Any, viewer: Any, folder: Path) -> None:
    """The widget takes the layer that is there."""


def _batch(widget: Any, viewer: Any, folder: Path) -> None:
    widget.addLayer(viewer.layers[0])
    widget.setOutput(str(folder))


def _train(widget: Any, viewer: Any, folder: Path) -> None:
    """Six patches, validated on a region with its mask after each of two epochs."""
    data = folder.parent / "patches"
    if not data.is_dir():
        shutil.copytree(PATCHES, data)
    widget.setData(str(data))
    widget.setValue(widget.value().changed(epochs=2, batch_size=2, patch_mpp=0.25))
    widget.setOutput(str(folder / "model"))
    folder.mkdir()


def _annotated(viewer: Any) -> None:
    """The sample's annotation, and the same moved by some pixels as the prediction."""
    from napari_construct.widgets.files.sample_data import lymph_node_tumour_annotated

    labels, options, _ = lymph_node_tumour_annotated()[-1]
    viewer.add_labels(labels, **options)
    viewer.add_labels(np.roll(labels, 20, axis=0), **options | {"name": "prediction"})


def _layers(widget: Any, viewer: Any, folder: Path) -> None:
    widget.setLayers(viewer.layers[2], viewer.layers[1])


def _folders(widget: Any, viewer: Any, folder: Path) -> None:
    widget.setValue(type(widget.value())(mode="folders", ignore=(2,)))
    widget.setFolders(str(PATCHES / "val"))


def _import(widget: Any, viewer: Any, folder: Path) -> None:
    """A bundled model under a name that is not taken."""
    folder.mkdir()
    path = folder / f"copy-{time.monotonic_ns()}.construct"
    shutil.copy(next(BUNDLED.glob("*.construct")), path)
    widget.setProperty("file", str(path))


def _start_import(widget: Any) -> None:
    from napari_construct.widgets.models.share import ShareBox

    widget.findChild(ShareBox).importRequested.emit(widget.property("file"))


JOBS: dict[str, Task] = {
    "Segment tissue": Task("Segment tissue", _nothing),
    "Batch": Task("Batch", _batch),
    "Prototypes": Task("Prototypes", _nothing),
    "Prototypes, gallery": Task("Prototypes", _nothing, lambda widget: widget.search()),
    "Train adapters": Task("Train adapters", _train),
    "Evaluate": Task("Evaluate", _layers, prepare=_annotated),
    "Evaluate, folders": Task("Evaluate", _folders),
    "Models": Task("Models", _import, _start_import),
}
