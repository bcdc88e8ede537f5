"""Each dock widget with its real job, and what a person does meanwhile: layers, themes, windows, viewers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtWidgets import QApplication, QWidget
from tests.widgets.test_all_widgets import WIDGETS
from tifffile import imwrite

from napari_construct.batch.settings import BatchSettings
from napari_construct.crossmodal.config import DistilConfig
from napari_construct.events import run
from napari_construct.inference.loading import load_model
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.segment import decided_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.layers import plane_on_view
from napari_construct.widgets.segment.job import SegmentRequest, segment_job

pytestmark = pytest.mark.gui

QUICK = SegmentSettings(tile=128, overlap=32, crf=None)
TINY = ModelConfig(encoder="tiny", teacher="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


@dataclass
class Files:
    """What jobs read, and a folder for what they write."""

    tissue: np.ndarray
    checkpoint: Path
    clip: str
    patches: Path
    folder: Path
    written: int = 0

    def new(self) -> Path:
        self.written += 1
        return self.folder / str(self.written)


Fill = Callable[[Any, Any, Files], None]


@dataclass(frozen=True)
class Task:
    """One real job of a widget, on a viewer with the layer "slide".

    Attributes
    ----------
    fill : callable
        Fills in what Run needs: ``fill(widget, viewer, files)``.
    adds : tuple of str
        Names of the layers that the job adds.
    start : callable
        By default as Run does.
    prepare : callable
        Adds to the viewer what else has to be there, before the widget is opened.
    replaces : bool
        Whether the same job done again replaces its own untouched result.
    needs_its_layer : bool
        Whether the job is over when its layer is deleted, because its outcome would belong to nothing.
    """

    fill: Fill
    adds: tuple[str, ...] = ()
    start: Callable[[Any], None] = lambda widget: widget.run()
    prepare: Callable[[Any, Files], None] = lambda *_: None
    needs_its_layer: bool = False
    replaces: bool = True


def _segment(widget: Any, viewer: Any, files: Files) -> None:
    widget.setModel(str(files.checkpoint))
    widget.setValue(QUICK)
    widget._parts.class_maps.click()


def _words(widget: Any, viewer: Any, files: Files) -> None:
    widget.setModel(ZeroShotSettings(encoder=files.clip, classes="tumour: malignant glands; stroma: fibres"))
    widget.setValue(QUICK)
    widget._parts.class_maps.click()


def _mask(viewer: Any, files: Files) -> None:
    """The mask that Segment would add to the slide."""
    plane = plane_on_view(viewer.layers["slide"], tuple(viewer.dims.point))
    predictor = load_model(files.checkpoint, device="cpu")
    request = SegmentRequest((plane,), None, str(files.checkpoint), QUICK, lambda: predictor, decided_steps)
    mask = run(segment_job(request)).mask
    viewer.add_layer(mask)


def _refine(widget: Any, viewer: Any, files: Files) -> None:
    widget.setLayer(viewer.layers["slide mask"])
    widget._live.setChecked(False)
    widget.setValue(widget.value().changed(min_confidence=0.6))


def _batch(widget: Any, viewer: Any, files: Files) -> None:
    widget.setValue(BatchSettings(model=str(files.checkpoint), segment=QUICK))
    widget.addLayer(viewer.layers["slide"])
    widget.addPaths([str(next((files.patches / "val" / "img").glob("*.png")))])
    widget.setOutput(str(files.new()))


def _train(widget: Any, viewer: Any, files: Files) -> None:
    widget.setData(str(files.patches / "train"))
    widget.setValue(TrainingConfig(model=TINY, epochs=1, batch_size=3, image_size=64, patch_mpp=0.25))
    widget.setOutput(str(files.new()))
    widget.setDevice("cpu")


def _distil(widget: Any, viewer: Any, files: Files) -> None:
    channels = files.tissue.transpose(2, 0, 1).astype(np.float32)
    cells = np.kron(np.arange(16).reshape(4, 4), np.ones((16, 16), int))
    folder = files.new()
    for place in ("images", "outputs"):
        (folder / place).mkdir(parents=True)
    for i in range(2):
        imwrite(folder / "images" / f"{i}.tif", channels[:2, i : i + 64, i : i + 64])
        imwrite(folder / "outputs" / f"{i}.tif", cells.astype(np.int32))
    widget.setData(str(folder / "images"))
    widget.teacher.setTeacher("precomputed", str(folder / "outputs"))
    widget.setValue(DistilConfig(student="mobilenet_v3", steps=2, batch_size=2, patch=64))
    widget.setOutput(str(files.new()))
    widget.setDevice("cpu")


def _two_masks(viewer: Any, files: Files) -> None:
    labels = (files.tissue.mean(2) < 150).astype(np.uint8) + 1
    viewer.add_labels(labels, name="mask")
    viewer.add_labels(np.roll(labels, 9, axis=0), name="annotation")


def _layers(widget: Any, viewer: Any, files: Files) -> None:
    widget.setLayers(viewer.layers["mask"], viewer.layers["annotation"])


def _folders(widget: Any, viewer: Any, files: Files) -> None:
    model, ignore = str(files.checkpoint), (2,)
    widget.setValue(EvaluateSettings(mode="folders", ignore=ignore, model=model, segment=QUICK))
    widget.setFolders(str(files.patches / "val"))


def _prototypes(widget: Any, viewer: Any, files: Files) -> None:
    widget.setModel(str(files.checkpoint))
    widget.setValue(PrototypeSettings(tile=128, overlap=32))
    widget.setLayer(viewer.layers["slide"])


def _paint(viewer: Any, files: Files) -> None:
    painted = viewer.add_labels(np.zeros(files.tissue.shape[:2], np.uint8), name="paint")
    painted.data[32:96, 32:96] = 1


def _add_region(widget: Any) -> None:
    (painted,) = (layer for layer in widget._viewer.layers if layer.name == "paint")
    widget.adding.regionRequested.emit("tumour", painted)


def _import(widget: Any, viewer: Any, files: Files) -> None:
    """A model under a name that is not taken."""
    path = files.new().with_suffix(".construct")
    path.write_bytes(files.checkpoint.read_bytes())
    widget.setProperty("file", str(path))


TASKS: dict[str, Task] = {
    "Segment": Task(_segment, ("slide tumour (class map)", "slide lymphoid (class map)", "slide mask")),
    "Segment, words": Task(_words, ("slide tumour (class map)", "slide stroma (class map)", "slide mask")),
    "Refine": Task(
        _refine,
        ("slide (refined)",),
        lambda widget: widget.update_once(),
        _mask,
        needs_its_layer=True,
        replaces=False,
    ),
    "Batch": Task(_batch, ("slide mask",)),
    "Train a model": Task(_train),
    "Distil single-channel student": Task(_distil),
    "Evaluate": Task(_layers, ("mask (errors)",), prepare=_two_masks),
    "Evaluate, folders": Task(_folders),
    "Prototypes": Task(_prototypes, ("slide tumour 1 (similarity)",)),
    "Prototypes, region": Task(_prototypes, start=_add_region, prepare=_paint),
    "Prototypes, gallery": Task(_prototypes, start=lambda widget: widget.search()),
    "Models": Task(_import, start=lambda widget: widget._share.importRequested.emit(widget.property("file"))),
}


@pytest.fixture
def files(tissue, checkpoint, small_clip, camelyon, tmp_path, monkeypatch) -> Files:
    from huggingface_hub import constants

    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return Files(np.ascontiguousarray(tissue[:128, :128]), checkpoint, small_clip, camelyon, tmp_path)


@dataclass
class Opened:
    """A widget in a viewer, ready to run; ``events`` are those of its job, ``returned`` what it returned."""

    task: Task
    widget: Any
    viewer: Any
    events: list[Any] = field(default_factory=list)
    returned: list[Any] = field(default_factory=list)

    def start(self, meanwhile: Callable[[Any], None]) -> None:
        """Start the job; ``meanwhile(viewer)`` is called at its first event."""
        job = getattr(self.widget, "control", None) or self.widget.job
        job.progressed.connect(lambda event: self._on_event(event, meanwhile))
        job.returned.connect(self.returned.append)
        self.task.start(self.widget)
        assert self.widget.isRunning(), self.widget.message()

    def added(self, before: list[Layer]) -> list[str]:
        """Names of the layers that are new."""
        return [layer.name for layer in self.viewer.layers if layer not in before]

    def _on_event(self, event: Any, meanwhile: Callable[[Any], None]) -> None:
        self.events.append(event)
        if len(self.events) == 1:
            meanwhile(self.viewer)


def prepared(viewer: Any, task: Task, files: Files) -> Any:
    viewer.add_image(files.tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    task.prepare(viewer, files)
    return viewer


def opened(qtbot: Any, viewer: Any, name: str, files: Files) -> Opened:
    module, cls = WIDGETS[name.partition(",")[0]].split(":")
    widget: QWidget = getattr(import_module(module), cls)(viewer)
    viewer.window.add_dock_widget(widget, name=name)
    found = Opened(TASKS[name], widget, viewer)
    ready(qtbot, widget)
    found.task.fill(widget, viewer, files)
    ready(qtbot, widget)
    return found


def ready(qtbot: Any, widget: Any) -> None:
    qtbot.waitUntil(lambda: not busy(widget) and "being loaded" not in widget.message(), timeout=60_000)


def busy(widget: Any) -> bool:
    looks = (getattr(widget, name, None) for name in ("isRunning", "isLooking", "isListing"))
    return any(look() for look in looks if look is not None)


def delete_all(viewer: Any) -> None:
    viewer.layers.clear()


def numbered(names: tuple[str, ...]) -> list[str]:
    """The same again, as napari names them."""
    return [f"{name} [1]" for name in names]


@pytest.mark.parametrize("name", TASKS)
def test_opened_twice_both_running_layers_renamed_theme_changed(qtbot, viewer, files, name) -> None:
    prepared(viewer, TASKS[name], files)
    before = list(viewer.layers)
    one, other = opened(qtbot, viewer, name, files), opened(qtbot, viewer, name, files)

    def meanwhile(viewer: Any) -> None:
        for layer in before:  # not what the other job may have added by now
            layer.name = f"my {layer.name}"
        viewer.theme = "light" if viewer.theme == "dark" else "dark"

    one.start(meanwhile)
    other.start(lambda _: None)
    qtbot.waitUntil(lambda: not busy(one.widget) and not busy(other.widget), timeout=120_000)
    assert len(one.returned) == len(other.returned) == 1, (one.widget.message(), other.widget.message())
    assert {layer.name for layer in before} == {f"my {layer.name.removeprefix('my ')}" for layer in before}
    # results are named after the layer as it was when its job began
    names = one.added(before)
    again = () if one.task.replaces else numbered(other.task.adds)
    assert sorted(names) == sorted([*one.task.adds, *again])


@pytest.mark.parametrize("name", TASKS)
def test_two_viewers_at_once_and_the_layers_of_one_deleted(
    qtbot, viewer, make_napari_viewer_proxy, files, name
) -> None:
    other_viewer = make_napari_viewer_proxy()
    for each in (viewer, other_viewer):
        prepared(each, TASKS[name], files)
    before = list(other_viewer.layers)
    one, other = opened(qtbot, viewer, name, files), opened(qtbot, other_viewer, name, files)
    one.start(delete_all)
    other.start(lambda _: None)
    qtbot.waitUntil(lambda: not busy(one.widget) and not busy(other.widget), timeout=120_000)
    kept = () if one.task.needs_its_layer else one.task.adds
    assert [layer.name for layer in viewer.layers] == list(kept)
    assert len(one.returned) == (not one.task.needs_its_layer), one.widget.message()
    assert len(other.returned) == 1, other.widget.message()
    assert other.added(before) == list(other.task.adds)


@pytest.mark.parametrize("name", TASKS)
def test_viewer_closed_while_it_runs(qtbot, viewer, make_napari_viewer_proxy, files, name) -> None:
    closing = prepared(make_napari_viewer_proxy(), TASKS[name], files)
    viewer.add_image(files.tissue, name="another", rgb=True)
    one, gone = opened(qtbot, closing, name, files), []
    one.widget.destroyed.connect(lambda: gone.append(True))
    one.start(lambda _: None)
    qtbot.waitUntil(lambda: bool(one.events), timeout=60_000)
    closing.close()
    qtbot.waitUntil(lambda: bool(gone), timeout=20_000)
    QApplication.processEvents()
    assert [layer.name for layer in viewer.layers] == ["another"]
