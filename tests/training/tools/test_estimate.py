"""What a run will cost: the arithmetic against a clock of our own, and against a real run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from napari_construct.events import EpochDone, Event, StepDone, run
from napari_construct.training.loop.schedule import Schedule
from napari_construct.training.loop.train import train_steps
from napari_construct.training.tools import estimate as module
from napari_construct.training.tools.estimate import estimate_steps, peak_memory


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_adds_up_stages_steps_and_validations(monkeypatch, patches, tiny_config, camelyon) -> None:
    clock = Clock()

    def fake(part, config, **_):
        seconds_and_events = [
            (1.0, Event("read", len(part), len(part))),
            (0.0, Schedule.of_run(config, 1, calibrated=len(part), images=1, area=4.0).plan()),
            (9.0, StepDone("train", 1, 3)),
            (2.0, StepDone("train", 2, 3)),
            (2.0, StepDone("train", 3, 3)),
            (0.5, Event("average", 1, 1)),
            (0.6, Event("calibrate", len(part), len(part))),
            (4.0, Event("validate", 0, 1)),
            (1.0, Event("validate", 1, 1)),
            (100.0, EpochDone("epoch", 1, 1)),
        ]
        for seconds, event in seconds_and_events:
            clock.now += seconds
            yield event

    monkeypatch.setattr(module, "train_steps", fake)
    config = tiny_config.changed(epochs=10, validate_every=4, average_from=0.5, norm_batches=5)
    found = run(estimate_steps(patches, config, val=camelyon / "val", device="cpu", clock=clock))
    assert (found.steps, found.validations) == (20, 3)
    assert found.step_seconds == 2.0
    assert found.validation_seconds == pytest.approx(5 * 0.5 + 0.6 + 5.0)
    on_masks = (1 + 5) * 5.0
    assert found.seconds == pytest.approx(9 + 1 + 20 * 2 + 3 * 8.1 + on_masks)
    assert found.device == "cpu"
    assert found.device_memory is None


def test_real_run_takes_about_as_long(patches, tiny_config, camelyon: Path) -> None:
    config = tiny_config.changed(epochs=12, image_size=128)
    run(train_steps(patches, config.changed(epochs=1), device="cpu"))  # what libraries prepare once
    found = run(estimate_steps(patches, config, device="cpu"))
    start = time.perf_counter()
    run(train_steps(patches, config, device="cpu"))
    took = time.perf_counter() - start
    assert found.steps == 24
    assert took / 4 < found.seconds < took * 4  # other programs may come and go
    assert found.memory >= 100e6
    assert peak_memory() <= 3 * found.memory


def test_nothing_is_written(patches, tiny_config, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    events = list(estimate_steps(patches, tiny_config, device="cpu"))
    assert {event.stage for event in events} == {"estimate"}
    assert list(tmp_path.iterdir()) == []
