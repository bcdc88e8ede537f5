"""Settings of a training run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.training.config.config import TrainingConfig


def test_published_preset_has_the_papers_numbers() -> None:
    config = TrainingConfig.of_preset("published")
    assert (config.learning_rate, config.weight_decay, config.batch_size, config.epochs) == (
        2e-5,
        1e-3,
        10,
        2,
    )
    assert (config.weights.classification, config.weights.distillation, config.weights.contrast) == (
        1.0,
        1.5,
        0.2,
    )
    assert (config.temperature, config.memory_bank, config.schedule) == (0.07, 2048, "polynomial")
    assert config.model.guidance_levels == (2,)
    assert config.model.preset == "published"


def test_files_and_presets_merge(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("preset: published\nepochs: 5\nmodel:\n  encoder: tiny\n")
    config = TrainingConfig.load(path, seed=3)
    assert (config.epochs, config.seed, config.learning_rate) == (5, 3, 2e-5)
    assert (config.model.encoder, config.model.teacher) == ("tiny", "mit_b1")
    path = tmp_path / "run.json"
    path.write_text(config.model_dump_json())
    assert TrainingConfig.load(path) == config


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("epochs: many", "epochs"),
        ("learning_rat: 1", "learning_rat"),
        ("batch_size: 0", "batch_size"),
        ("augmentation:\n  crop_area: [0.9, 0.2]", "crop_area"),
        ("model:\n  pooling: median", "pooling"),
        ("preset: best", "preset"),
        ("- 1\n- 2", "names and values"),
        ("a: [1", "YAML"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=match) as error:
        TrainingConfig.load(path)
    assert "run.yaml" in str(error.value)


def test_missing_file() -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.json"):
        TrainingConfig.load("absent.json")


def test_json_survives() -> None:
    config = TrainingConfig(epochs=3)
    assert TrainingConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_few_patches_are_seen_more_often() -> None:
    config = TrainingConfig()
    assert config.epochs is None
    assert [config.epochs_of(steps) for steps in (1, 5, 19, 20, 120)] == [400, 80, 22, 20, 20]
    assert config.changed(epochs=3).epochs_of(5) == 3


@pytest.mark.parametrize(
    "name", ["settings", "settings.txt", "settings.YML", "settings.JSON", "settings.yaml"]
)
@pytest.mark.parametrize("text", ['{\n\t"epochs": 3\n}', '\ufeff{"epochs": 3}', "{epochs: 3}", "epochs: 3"])
def test_settings_are_read_under_any_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    if name.endswith("JSON") and '"' not in text:
        with pytest.raises(ConfigurationError, match=r"settings\.JSON.*settings in YAML or JSON.* no JSON"):
            TrainingConfig.load(tmp_path / name)
    else:
        assert TrainingConfig.load(tmp_path / name).epochs == 3
