"""The bundled pre-trained encoder in each of its roles: teacher, frozen student, trained student."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Event, StepDone, run
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint, save_checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps


def trained(
    dataset: ImageLevelDataset, config: TrainingConfig, **roles: object
) -> tuple[Checkpoint, list[dict[str, float]]]:
    events: list[Event] = []
    checkpoint = run(train_steps(dataset, config, device="cpu", **roles), events.append)  # type: ignore[arg-type]
    return checkpoint, [dict(event.losses) for event in events if isinstance(event, StepDone)]


def wired(config: TrainingConfig, **changes: object) -> TrainingConfig:
    return config.changed(model=config.model.model_dump() | changes, epochs=1)


def test_as_teacher(patches: ImageLevelDataset, tiny_config: TrainingConfig) -> None:
    config = wired(tiny_config, teacher="lite0", guidance_levels=(0, 1, 2, 3))
    checkpoint, losses = trained(patches, config, encoder=TinyEncoder())
    assert checkpoint.config.teacher == "lite0"
    assert all(0 < step["distillation"] < 10 for step in losses)


@pytest.mark.parametrize("cache", [False, True], ids=["encoded anew", "from the cache"])
def test_as_frozen_student(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, cache: bool
) -> None:
    kept = {"feature_cache": True, "views_per_patch": 1, "cache_folder": str(tmp_path)} if cache else {}
    config = wired(tiny_config, encoder="lite0", teacher="structure").changed(**kept)
    checkpoint, losses = trained(patches, config)
    assert checkpoint.encoder_state is None
    assert checkpoint.encoder_hash == encoder_hash(create_encoder("lite0"))
    assert np.isfinite([step["loss"] for step in losses]).all()


def test_as_trained_student_it_is_stored_in_half_precision(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, camelyon: Path
) -> None:
    config = wired(tiny_config, encoder="lite0", teacher=None).changed(encoder_learning_rate=1e-3)
    checkpoint, _ = trained(patches, config)
    state = checkpoint.encoder_state
    assert state is not None
    before = create_encoder("lite0").state_dict()  # type: ignore[attr-defined]
    assert not torch.equal(state["network.conv_stem.weight"].float(), before["network.conv_stem.weight"])
    assert state["network.conv_stem.weight"].dtype == torch.float16
    assert state["network.bn1.running_var"].dtype == torch.float32
    frozen, _ = trained(patches, config.changed(encoder_learning_rate=None))
    path, without = (save_checkpoint(tmp_path / n, c) for n, c in (("a", checkpoint), ("b", frozen)))
    assert path.stat().st_size - without.stat().st_size < 6_300_000
    # the file holds what the run measured: the same network, whose hash is checked when it is loaded
    network = build_from_checkpoint(checkpoint)
    assert encoder_hash(network.encoder) == checkpoint.encoder_hash
    image = np.asarray(Image.open(min((camelyon / "train").rglob("*.png"))).convert("RGB"))
    result = segment(image, load_model(path, device="cpu"), mpp=0.25, crf=None)
    assert np.isfinite(result.probabilities).all()


@pytest.mark.parametrize("statistics", ["frozen", "batch"])
def test_statistics_of_the_pre_training_stay_if_frozen(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, statistics: str
) -> None:
    config = wired(tiny_config, encoder="lite0", teacher=None).changed(
        encoder_learning_rate=1e-3, norm_statistics=statistics
    )
    state = trained(patches, config)[0].encoder_state
    assert state is not None
    before = create_encoder("lite0").state_dict()  # type: ignore[attr-defined]
    names = [name for name in before if name.endswith(("running_mean", "running_var"))]
    kept = [torch.equal(state[name], before[name]) for name in names]
    assert names
    assert not any(kept) if statistics == "batch" else all(kept)
