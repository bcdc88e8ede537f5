"""Training on a graphics card: losses, precision, resuming, the feature cache, memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.graphics_card import GraphicsCard
from tests.training.conftest import CountingEncoder

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.images import read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import EpochDone, Event, StepDone, run
from napari_construct.exceptions import ConstructError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.loop.precision import resolve_precision
from napari_construct.training.loop.train import train_steps
from napari_construct.training.second_stage.train import train_second_stage
from napari_construct.training.tools.estimate import estimate_steps

pytestmark = pytest.mark.cuda

PRECISIONS = ("float32", "bfloat16", "float16", "auto")


@pytest.fixture
def ordered(card: GraphicsCard, camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))


@pytest.fixture
def plain(tiny_config: TrainingConfig) -> TrainingConfig:
    """Without augmentation and in float32, so that steps on two devices can be compared."""
    none = AugmentationConfig.none().model_dump()
    return tiny_config.changed(augmentation=none, precision="float32")


def follow(*args: object, **kwargs: Any) -> tuple[Checkpoint, list[Event]]:
    events: list[Event] = []
    kwargs = {"teacher": TinyEncoder(seed=4), "device": "cuda"} | kwargs
    return run(train_steps(*args, **kwargs), events.append), events  # type: ignore[arg-type]


def stop_after(n: int, *args: object, **kwargs: Any) -> list[Event]:
    """Events of a run that is closed after its n-th step."""
    steps = train_steps(*args, **({"teacher": TinyEncoder(seed=4), "device": "cuda"} | kwargs))  # type: ignore[arg-type]
    events: list[Event] = []
    while sum(isinstance(e, StepDone) for e in events) < n:
        events.append(next(steps))
    steps.close()
    return events


def losses(events: list[Event]) -> list[float]:
    return [e.losses["loss"] for e in events if isinstance(e, StepDone)]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("encoder_learning_rate", [None, 1e-3], ids=["frozen", "trained"])
def test_losses_are_finite_and_fall(
    ordered: ImageLevelDataset, plain: TrainingConfig, precision: str, encoder_learning_rate: float | None
) -> None:
    config = plain.changed(
        epochs=40, learning_rate=1e-2, precision=precision, encoder_learning_rate=encoder_learning_rate
    )
    checkpoint, events = follow(ordered, config)
    epochs = [e.metrics for e in events if isinstance(e, EpochDone)]
    assert all(math.isfinite(loss) for loss in losses(events))
    assert epochs[-1]["classification"] < 0.6 * epochs[0]["classification"]
    assert all(value.device.type == "cpu" for value in checkpoint.head_state.values())
    assert all(value.dtype != torch.bfloat16 for value in checkpoint.head_state.values())


def test_auto_takes_bfloat16_where_the_card_has_it(card: GraphicsCard) -> None:
    modern = torch.cuda.get_device_capability() >= (8, 0)
    assert resolve_precision("auto", card.device) is (torch.bfloat16 if modern else torch.float16)


def test_the_first_steps_are_the_cpus(ordered: ImageLevelDataset, plain: TrainingConfig) -> None:
    _, there = follow(ordered, plain)
    _, here = follow(ordered, plain, device="cpu")
    np.testing.assert_allclose(losses(there), losses(here), rtol=2e-2)


def test_a_trained_model_segments_alike_on_both_devices(
    ordered: ImageLevelDataset, plain: TrainingConfig, camelyon: Path, tmp_path: Path
) -> None:
    config = plain.changed(epochs=20, learning_rate=1e-2, encoder_learning_rate=1e-3)
    follow(ordered, config, val=camelyon / "val", output=tmp_path / "m.construct")
    image = read_image(next((camelyon / "val" / "img").iterdir())).pixels
    masks = [
        segment(image, load_model(tmp_path / "m.construct", device=d), mpp=0.25, crf=None).labels
        for d in ("cuda", "cpu")
    ]
    assert (masks[0] == masks[1]).mean() >= 0.999


@pytest.mark.parametrize("precision", ["float32", "float16", "auto"])
@pytest.mark.parametrize("encoder_learning_rate", [None, 1e-3], ids=["frozen", "trained"])
def test_an_interrupted_run_goes_on(
    ordered: ImageLevelDataset,
    plain: TrainingConfig,
    tmp_path: Path,
    precision: str,
    encoder_learning_rate: float | None,
) -> None:
    config = plain.changed(epochs=4, precision=precision, encoder_learning_rate=encoder_learning_rate)
    _, whole = follow(ordered, config)
    before = stop_after(3, ordered, config, output=tmp_path / "m")
    checkpoint, after = follow(ordered, config, output=tmp_path / "m", resume=True)
    assert checkpoint.training["finished"] is True
    tolerance = 2e-3 if precision == "float32" else 3e-2
    np.testing.assert_allclose(losses(before) + losses(after), losses(whole), rtol=tolerance)


@pytest.mark.parametrize("devices", [("cuda", "cpu"), ("cpu", "cuda")], ids="-".join)
def test_a_run_goes_on_on_another_device(
    ordered: ImageLevelDataset, plain: TrainingConfig, tmp_path: Path, devices: tuple[str, str]
) -> None:
    first, second = devices
    config = plain.changed(epochs=3, encoder_learning_rate=1e-3)
    _, whole = follow(ordered, config, device=first)
    before = stop_after(3, ordered, config, device=first, output=tmp_path / "m")
    _, after = follow(ordered, config, device=second, output=tmp_path / "m", resume=True)
    np.testing.assert_allclose(losses(before) + losses(after), losses(whole), rtol=5e-2)


@pytest.mark.parametrize("encoder_learning_rate", [None, 1e-3], ids=["frozen", "trained"])
def test_parts_of_a_batch_add_up(
    ordered: ImageLevelDataset, plain: TrainingConfig, encoder_learning_rate: float | None
) -> None:
    config = plain.changed(encoder_learning_rate=encoder_learning_rate)
    _, whole = follow(ordered, config)
    _, parts = follow(ordered, config.changed(accumulate=3))
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=2e-2)


@pytest.mark.parametrize("devices", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")], ids="-".join)
def test_stored_features_serve_every_device(
    ordered: ImageLevelDataset, plain: TrainingConfig, tmp_path: Path, devices: tuple[str, str]
) -> None:
    config = plain.changed(feature_cache=True, views_per_patch=2, cache_folder=str(tmp_path / "features"))
    _, first = follow(ordered, config, encoder=CountingEncoder(), device=devices[0])
    CountingEncoder.seen = 0
    _, second = follow(ordered, config, encoder=CountingEncoder(), device=devices[1])
    assert CountingEncoder.seen < 2 * len(ordered), "only what is not kept: the patches without augmentation"
    np.testing.assert_allclose(losses(second), losses(first), rtol=2e-2)


def test_everything_on_at_once(
    ordered: ImageLevelDataset, camelyon: Path, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    """Mosaics, stain changes, averaging, pseudo labels, calibration on masks, the best epoch."""
    config = TrainingConfig(model=tiny_config.model, epochs=4, batch_size=3, image_size=64, patch_mpp=0.25)
    config = config.changed(keep="best", encoder_learning_rate=1e-3)
    checkpoint, events = follow(ordered, config, val=camelyon / "val", output=tmp_path / "m")
    assert all(math.isfinite(loss) for loss in losses(events))
    assert "val_miou" in checkpoint.metrics


def test_a_stopped_run_gives_its_memory_back(
    ordered: ImageLevelDataset, plain: TrainingConfig, card: GraphicsCard
) -> None:
    stop_after(1, ordered, plain)  # what libraries keep
    before = card.allocated()
    stop_after(2, ordered, plain)
    follow(ordered, plain)
    assert card.gave_back(before)


def test_too_large_a_batch_is_told_and_a_smaller_one_trains(
    ordered: ImageLevelDataset, plain: TrainingConfig, card: GraphicsCard
) -> None:
    follow(ordered, plain)
    before = card.allocated()
    says = "cuda ran out of memory at a batch of 3 patches; choose a smaller batch_size"
    with card.only(60), pytest.raises(ConstructError, match=says):
        follow(ordered, plain.changed(image_size=1024))
    assert card.gave_back(before)
    follow(ordered, plain)


def test_a_run_is_resumed_after_memory_ran_out(
    ordered: ImageLevelDataset, plain: TrainingConfig, card: GraphicsCard, tmp_path: Path
) -> None:
    config = plain.changed(image_size=512)
    stop_after(1, ordered, config, output=tmp_path / "m")
    with card.only(20), pytest.raises(ConstructError, match="ran out of memory"):
        follow(ordered, config, output=tmp_path / "m", resume=True)
    checkpoint, _ = follow(ordered, config, output=tmp_path / "m", resume=True)
    assert checkpoint.training["finished"] is True


def test_an_estimate_counts_the_cards_memory(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, card: GraphicsCard
) -> None:
    found = run(estimate_steps(ordered, tiny_config, device="cuda"))
    assert found.device == "cuda"
    assert found.device_memory is not None
    assert found.device_memory > 2**20


def test_the_users_random_numbers_are_left_alone(
    ordered: ImageLevelDataset, tiny_config: TrainingConfig, card: GraphicsCard
) -> None:
    states: list[Callable[[], torch.Tensor]] = [torch.get_rng_state, torch.cuda.get_rng_state]
    before = [state() for state in states]
    follow(ordered, tiny_config)
    assert all(torch.equal(state(), was) for state, was in zip(states, before, strict=True))


def test_the_second_stage_trains_on_the_card(
    ordered: ImageLevelDataset, plain: TrainingConfig, camelyon: Path
) -> None:
    first, _ = follow(ordered, plain)
    config = SecondStageConfig(
        encoder="first", width=8, steps=6, batch_size=3, patch_mpp=0.25, min_confidence=0.0
    )
    checkpoint = train_second_stage(ordered, first, config, device="cuda")
    image = read_image(next((camelyon / "val" / "img").iterdir())).pixels
    masks = [segment(image, Predictor(checkpoint, d), mpp=0.25, crf=None).labels for d in ("cuda", "cpu")]
    assert (masks[0] == masks[1]).mean() >= 0.999
