"""A run that ends before its last epoch, and what is done rarely so that steps have the time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from napari_construct import train
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.events import Event, StepDone
from napari_construct.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps


@pytest.fixture
def ordered(camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))


def assert_equal(a: Checkpoint, b: Checkpoint) -> None:
    """Weights bit by bit, calibration and record."""
    assert (a.calibration, a.training, a.metrics) == (b.calibration, b.training, b.metrics)
    assert a.head_state.keys() == b.head_state.keys()
    assert all(torch.equal(value, b.head_state[name]) for name, value in a.head_state.items())


@pytest.mark.parametrize(("average_from", "epochs"), [(None, 40), (0.0, 40)])
def test_a_run_that_is_stopped_is_finished_as_it_is(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, camelyon, tmp_path, average_from, epochs
) -> None:
    config = tiny_config.changed(epochs=epochs, average_from=average_from, validate_every="auto")
    output, events = tmp_path / "m.construct", []

    def stop() -> bool:
        return sum(isinstance(e, StepDone) for e in events) >= 5

    kept = train(
        ordered, config, val=camelyon / "val", output=output, stop=stop, device="cpu", progress=events.append
    )
    assert sum(isinstance(e, StepDone) for e in events) == 5  # not one more
    assert kept.training["finished"]
    assert kept.training["stopped"] == {"step": 5, "steps": 80, "epochs": 40}
    assert kept.training["epoch"] == len(kept.training["history"]) == 3
    assert "val_miou" in kept.metrics
    assert kept.training["calibration"]["images"] == 1  # calibrated as a finished run is
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.construct"]
    written = load_checkpoint(output)
    assert_equal(written, kept)
    again = train(ordered, config, val=camelyon / "val", output=output, resume=True, device="cpu")
    assert_equal(again, kept)  # it is over: there is nothing to go on with


def test_an_end_that_is_interrupted_leaves_a_run_to_resume(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path
) -> None:
    config = tiny_config.changed(epochs=4)
    whole = train(ordered, config, output=tmp_path / "whole", device="cpu")
    seen: list[Event] = []
    steps = train_steps(
        ordered, config, output=tmp_path / "m", device="cpu",
        stop=lambda: sum(isinstance(e, StepDone) for e in seen) >= 3,
    )  # fmt: skip
    while sum(isinstance(e, StepDone) for e in seen) < 3 or seen[-1].stage != "calibrate":
        seen.append(next(steps))
    steps.close()
    resumed = train(ordered, config, output=tmp_path / "m", resume=True, device="cpu")
    assert_equal(resumed, whole)


def test_an_interrupted_run_is_finished_as_it_is(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path
) -> None:
    config = tiny_config.changed(epochs=20)
    steps = train_steps(ordered, config, output=tmp_path / "m", device="cpu")
    done = 0
    while done < 3:
        done += isinstance(next(steps), StepDone)
    steps.close()
    events: list[Event] = []
    kept = train(
        ordered,
        config,
        output=tmp_path / "m",
        resume=True,
        stop=lambda: True,
        device="cpu",
        progress=events.append,
    )
    assert not any(isinstance(e, StepDone) for e in events)
    assert kept.training["stopped"]["step"] == 3


def test_validations_that_decide_nothing_change_no_weight(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    config = tiny_config.changed(epochs=4)
    often = train(ordered, config.changed(validate_every=1), device="cpu")
    rarely = train(ordered, config.changed(validate_every="auto"), device="cpu")
    assert often.head_state.keys() == rarely.head_state.keys()
    assert all(torch.equal(value, rarely.head_state[name]) for name, value in often.head_state.items())
    assert often.calibration == rarely.calibration


def test_states_are_written_rarely_where_writing_takes_long(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path, monkeypatch
) -> None:
    written: list[int] = []

    def slow(path, progress, *_: object) -> None:
        written.append(progress.epoch)
        time.sleep(0.05)

    monkeypatch.setattr("napari_construct.training.loop.setup.save_state", slow)
    config = tiny_config.changed(epochs=40, validate_every=40)
    start = time.perf_counter()
    train(ordered, config, output=tmp_path / "m", device="cpu")
    assert 0.05 * len(written) < 0.1 * (time.perf_counter() - start) + 0.15
    assert written[-1] == 40
