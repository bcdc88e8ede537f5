"""Of several models one is in memory: the old one goes before the new one comes, and after an error."""

from __future__ import annotations

import threading
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.widgets.conftest import CLASSES, FakeInference

from napari_construct.exceptions import CheckpointError
from napari_construct.widgets.jobs.predictors import LoadedModel
from napari_construct.widgets.prototypes.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue


class Model(SimpleNamespace):
    """Stands for a large model."""


class Loads:
    """Notes which of the models it made were alive when each was asked for."""

    def __init__(self) -> None:
        self.made: dict[str, weakref.ref[Any]] = {}
        self.alive: list[list[str]] = []

    def load_model(self, model: str, *, device: str = "auto") -> Any:
        self.alive.append(self.living())
        if model == "broken":
            weights = Model(classes=CLASSES)
            self.made[model] = weakref.ref(weights)
            raise CheckpointError(
                f"{model}: expected another encoder, got {len(weights.classes)}; train again"
            )
        made = Model(classes=CLASSES, mpp=0.25)
        self.made[model] = weakref.ref(made)
        return made

    def living(self) -> list[str]:
        return [name for name, reference in self.made.items() if reference() is not None]


def test_the_old_model_goes_before_the_new_one_comes() -> None:
    loads = Loads()
    loaded = LoadedModel(loads.load_model)
    for name in ("a", "b", "b", "a"):
        loaded.get(name, "cpu")
    assert loads.alive == [[], [], []]
    assert loads.living() == ["a"]


def test_an_error_that_is_kept_keeps_no_weights() -> None:
    loads = Loads()
    loaded = LoadedModel(loads.load_model)
    with pytest.raises(CheckpointError) as kept:
        loaded.get("broken", "cpu")
    assert loads.living() == []
    assert "load_model" in "".join(map(str, kept.traceback))  # where it was is still told


@pytest.mark.gui
def test_switching_in_the_widget_frees_the_old_model(qtbot, viewer) -> None:
    loads = Loads()
    fake = FakeInference(steps=2)
    viewer.add_image(np.full((64, 64, 3), 120, np.uint8), name="slide")
    widget = SegmentTissue(viewer, load_model=loads.load_model, decided_steps=fake.decided_steps)
    viewer.window.add_dock_widget(widget, name="Segment")

    def choose(name: str) -> None:
        widget.setModel(name)
        qtbot.waitUntil(lambda: "being loaded" not in widget.control.blockedReason(), timeout=10_000)

    choose("first")
    for name in ("a", "b", "broken", "a"):
        choose(name)
        if name != "broken":
            with qtbot.waitSignal(widget.finished, timeout=20_000):  # a run keeps nothing either
                widget.run()
            qtbot.waitUntil(lambda: not widget.isRunning())
        else:
            assert "expected another encoder" in widget.control.blockedReason()
        assert [one for one in loads.living() if one != name] == []
    assert all(len(alive) == 0 for alive in loads.alive[2:])  # the first two followed each other at once
    assert threading.active_count() < 50


@pytest.mark.gui
def test_switching_frees_a_model_whose_prototypes_were_changed(qtbot, viewer, checkpoint, tmp_path) -> None:
    from napari_construct.inference.loading import load_model
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint

    encoders: list[weakref.ref[Any]] = []

    def load(model: str, *, device: str) -> Any:
        predictor = load_model(model, device=device)
        encoders.append(weakref.ref(predictor.network.encoder))
        return predictor

    other = save_checkpoint(tmp_path / "other.construct", load_checkpoint(checkpoint))
    image = viewer.add_image(np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8))
    widget = Prototypes(viewer, load_model=load)
    viewer.window.add_dock_widget(widget, name="Prototypes")
    widget.setModel(str(checkpoint))
    widget.setLayer(image)
    qtbot.waitUntil(lambda: not widget.model.isLoading(), timeout=20_000)
    painted = viewer.add_labels(np.pad(np.ones((64, 64), int), 32))
    widget.adding.regionRequested.emit("tumour", painted)
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=20_000)
    assert widget.model.isAltered()
    count = len(encoders)
    widget.setModel(str(other))
    qtbot.waitUntil(lambda: not widget.model.isLoading(), timeout=20_000)
    assert len(encoders) == count + 1
    assert [one() for one in encoders[:-1]] == [None] * count
