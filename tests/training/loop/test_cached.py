"""Training from kept features: the same numbers wherever features come from, and no encoder at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.conftest import CountingEncoder

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Event, StepDone, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.views.fixed_views import FixedViews
from napari_construct.training.views.patches import load_patches


@pytest.fixture
def ordered(camelyon: Path) -> ImageLevelDataset:
    return load_dataset(camelyon / "train", class_names=("tumour", "lymphoid"))


@pytest.fixture
def cached(tiny_config: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    return tiny_config.changed(
        feature_cache=True, views_per_patch=2, cache_folder=str(tmp_path / "features"), epochs=2
    )


def follow(
    dataset: ImageLevelDataset, config: TrainingConfig, **kwargs: Any
) -> tuple[Checkpoint, list[Event]]:
    events: list[Event] = []
    arguments = {"encoder": CountingEncoder(), "teacher": TinyEncoder(seed=4), "device": "cpu"} | kwargs
    return run(train_steps(dataset, config, **arguments), events.append), events


def losses(events: list[Event]) -> list[dict[str, float]]:
    return [dict(e.losses) for e in events if isinstance(e, StepDone)]


def test_a_second_run_encodes_no_training_view(ordered: ImageLevelDataset, cached: TrainingConfig) -> None:
    CountingEncoder.seen = 0
    first, events = follow(ordered, cached)
    filled = CountingEncoder.seen
    assert filled >= 2 * len(ordered)
    assert any(e.stage == "features" for e in events)
    CountingEncoder.seen = 0
    second, again = follow(ordered, cached)
    assert CountingEncoder.seen <= filled - 2 * len(ordered)
    assert losses(again) == losses(events)
    for name, value in first.head_state.items():
        torch.testing.assert_close(second.head_state[name], value, rtol=0, atol=0)


def test_damaged_and_missing_features_change_no_number(
    ordered: ImageLevelDataset, cached: TrainingConfig, tmp_path: Path
) -> None:
    _, events = follow(ordered, cached)
    files = sorted((tmp_path / "features").rglob("*.safetensors"))
    for number, path in enumerate(files):
        if number % 3 == 0:
            path.unlink()
        elif number % 3 == 1:
            path.write_bytes(path.read_bytes()[:-7])
    _, again = follow(ordered, cached)
    assert losses(again) == losses(events)


def test_resume_goes_on_exactly(ordered: ImageLevelDataset, cached: TrainingConfig, tmp_path: Path) -> None:
    _, events = follow(ordered, cached)
    steps = train_steps(
        ordered, cached, output=tmp_path / "m", encoder=CountingEncoder(), teacher=TinyEncoder(seed=4),
        device="cpu",
    )  # fmt: skip
    before: list[Event] = []
    while len(losses(before)) < 3:
        before.append(next(steps))
    steps.close()
    _, after = follow(ordered, cached, output=tmp_path / "m", resume=True)
    assert losses(before) + losses(after) == losses(events)


def test_views_are_fixed_and_mosaics_are_part_of_them(
    ordered: ImageLevelDataset, cached: TrainingConfig
) -> None:
    patches = run(load_patches(ordered, cached, TinyEncoder().spec))
    hashes = [str(i) for i in range(len(ordered))]
    views, again = FixedViews(patches, hashes, cached), FixedViews(patches, hashes, cached)
    cpu = torch.device("cpu")
    torch.testing.assert_close(views.images(0, cpu), again.images(0, cpu), rtol=0, atol=0)
    assert views.keys(0) == again.keys(0)
    assert not set(views.keys(0)) & set(views.keys(1)), "another view, another key"
    changed = FixedViews(patches, ["new", *hashes[1:]], cached)
    assert not set(views.keys(0)) & set(changed.keys(0)), "a partner's pixels may lie in any view of a block"
    masks, partners = views.strips([(0, patch) for patch in range(len(ordered))])
    assert bool(masks.any())
    assert all(0 <= partner < len(ordered) for partner in partners)


def test_contradictions(ordered: ImageLevelDataset, cached: TrainingConfig) -> None:
    with pytest.raises(ConfigurationError, match="frozen encoder with feature_cache"):
        cached.changed(encoder_learning_rate=1e-4)
    with pytest.raises(ConfigurationError, match="tokens with feature_cache"):
        cached.changed(contrast_form="regions")
    with pytest.raises(ConfigurationError, match="raise it, lower views_per_patch"):
        follow(ordered, cached.changed(cache_gb=1e-6))
