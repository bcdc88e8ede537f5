"""A real viewer, a model that needs no network, and the real one."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QPushButton, QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.jobs.triton_first import import_triton
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

CLASSES = ClassTable.from_names(("tumour", "lymphoid"))


def by_colour(pixels: np.ndarray, mpp: float | None) -> SegmentationResult:
    """A result that depends on the image alone: the darker half is tumour, white is background."""
    grey = pixels.mean(axis=2)
    background = grey > 225
    labels = np.where(grey < np.median(grey), 1, 2).astype(np.uint8)
    labels[background] = 0
    dark = (1 - grey / 255).astype(np.float32)
    return SegmentationResult(
        labels=labels,
        probabilities=np.stack([dark, 1 - dark]),
        cams=np.stack([dark, 1 - dark]),
        confidence=np.maximum(dark, 1 - dark),
        background=background,
        presence=(True, True),
        presence_scores=(0.93, 0.41),
        classes=CLASSES,
        mpp=mpp,
        record={"model": "fake"},
    )


@dataclass
class FakeInference:
    """Stands in for ``inference.predictor``; counts, waits and fails on request."""

    steps: int = 5
    seconds: float = 0.01
    error: Exception | None = None
    load_error: Exception | None = None
    loads: list[tuple[str, str]] = field(default_factory=list)
    runs: list[SimpleNamespace] = field(default_factory=list)
    closed: int = 0
    threads: set[int] = field(default_factory=set)

    def load_model(self, model: str, *, device: str = "auto") -> Any:
        self.threads.add(threading.get_ident())
        self.loads.append((model, device))
        if self.load_error is not None:
            raise self.load_error
        return SimpleNamespace(classes=CLASSES, mpp=0.25, patch_mpp=0.25)

    def decided_steps(self, image, predictor, settings, *, mpp=None, name="image", valid=None):
        self.threads.add(threading.get_ident())
        self.runs.append(SimpleNamespace(image=image, settings=settings, mpp=mpp, name=name, valid=valid))
        try:
            for i in range(self.steps):
                yield Event("tiles", i, self.steps)
                time.sleep(self.seconds)
                if self.error is not None and i == self.steps // 2:
                    raise self.error
            yield Event("tiles", self.steps, self.steps)
            return by_colour(image, mpp), None
        finally:
            self.closed += 1


@pytest.fixture(autouse=True, scope="module")
def _old_objects_are_not_looked_through() -> None:
    """napari's fixture collects garbage after each test: seconds, once other tests have filled the memory."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Widgets remember nothing of other tests, nor of the user."""
    monkeypatch.setenv("NAPARI_CONSTRUCT_WIDGETS", str(tmp_path_factory.mktemp("memory") / "widgets.ini"))


@pytest.fixture(autouse=True, scope="session")
def triton_first() -> None:
    """Some tests run commands in this process, which is drawn by Mesa and imports torch on its own."""
    import_triton()


@pytest.fixture
def fake() -> FakeInference:
    return FakeInference()


@pytest.fixture
def wait_for_threads() -> Iterator[None]:
    """No job outlives its test, unless it hangs: importing torch alone takes long where machines are busy."""
    yield
    assert QThreadPool.globalInstance().waitForDone(180_000)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with fixed random weights."""
    from napari_construct.encoders.catalogue.lookup import create_encoder
    from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
    from napari_construct.models.network.builder import build_model
    from napari_construct.models.network.config import ModelConfig

    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    model = build_model(config, create_encoder("tiny"), len(CLASSES))
    path = tmp_path_factory.mktemp("models") / "tiny.construct"
    return save_checkpoint(path, checkpoint_of(model, CLASSES, mpp=0.25))


@pytest.fixture
def viewer(
    request: pytest.FixtureRequest, wait_for_threads: None, make_napari_viewer_proxy: Callable[..., Any]
) -> Any:
    """A viewer; on screen, as a person has it, for tests with the marker ``shown``."""
    shown = request.node.get_closest_marker("shown") is not None
    viewer = make_napari_viewer_proxy(show=shown)
    if shown:
        viewer.window.resize(1400, 900)
    return viewer


@pytest.fixture
def tissue(camelyon) -> np.ndarray:
    """256 px of a real H&E region."""
    from napari_construct.data import images, listing

    first = listing.list_images(camelyon / "val" / "img")[-1]
    return images.read_image(first).pixels


@pytest.fixture
def widget(qtbot, viewer, tissue, fake) -> SegmentTissue:
    """Docked in a viewer with one image, its model loaded."""
    viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    return docked(qtbot, viewer, fake)


def docked(qtbot: Any, viewer: Any, fake: FakeInference, model: str = "fake") -> SegmentTissue:
    """The widget in a dock of the viewer, ready to run."""
    widget = SegmentTissue(viewer, load_model=fake.load_model, decided_steps=fake.decided_steps)
    viewer.window.add_dock_widget(widget, name="Segment")
    widget.setModel(model)
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=10_000)
    return widget


def button(widget: QWidget, name: str) -> QPushButton:
    """The button of this accessible name."""
    return next(b for b in widget.findChildren(QPushButton) if b.accessibleName() == name)


def run_job(qtbot: Any, widget: Any) -> None:
    """Press Run and wait for the end of a job that does not fail."""
    done: list[bool] = []
    connection = widget.finished.connect(lambda: done.append(True))
    widget.run()
    assert widget.isRunning(), widget.message()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=120_000)
    widget.finished.disconnect(connection)
    assert done, widget.message()  # a job that failed says why
