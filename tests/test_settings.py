"""One base of all settings, and one sentence for every mistake in them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.settings import Settings
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig

MISTAKES: list[tuple[type[Settings], dict[str, Any], str]] = [
    (SegmentSettings, {"tile": 8},
     "setting tile: expected a number greater than or equal to 64, got 8; see SegmentSettings for"),
    (SegmentSettings, {"til": 8}, "setting til: expected a known name, got one that is not; see SegmentSett"),
    (SegmentSettings, {"views": "x"}, "setting views: expected 'one', 'four' or 'six', got 'x'; see Segment"),
    (SegmentSettings, {"crf": {"iterations": -1}}, "setting crf.iterations: expected a number greater than"),
    (SegmentSettings, {"crf": {"steps": 1}}, "setting crf.steps: expected a known name"),
    (SegmentSettings, {"crf": "on"}, "or 'auto', got 'on'"),
    (SegmentSettings, {"tile": 64, "overlap": 64}, "expected an overlap of at most half of the tile, got 64"),
    (PrototypeSettings, {"tile": 64, "overlap": 64}, "expected an overlap of at most half of the tile"),
    (TrainingConfig, {"encoder_learning_rate": -1}, "expected a number greater than 0 or 'auto', got -1;"),
    (TrainingConfig, {"model": {"encodr": "x"}}, "setting model.encodr: expected a known name"),
    (TrainingConfig, {"weights": {"contrast": "x"}}, "setting weights.contrast: expected a valid number"),
    (SecondStageConfig, {"steps": 0}, "setting steps: expected a number greater than or equal to 1, got 0"),
    (ZeroShotSettings, {"encoder": "conch"}, "setting classes: expected a value, got none; see ZeroShot"),
    (BatchSettings, {"outputs": []}, "setting outputs: expected at least 1 item"),
    (DownloadSettings, {"again": "maybe"}, "setting again: expected a valid boolean"),
    (ClassTable, {"classes": [{"name": " a"}]}, "setting classes.0.name: a class name must be printable"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fields", "words"), MISTAKES)
def test_a_mistake_is_one_sentence(kind: type[Settings], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        kind.checked(**fields)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_changed_checks_everything_and_changes_a_copy() -> None:
    before = SegmentSettings()
    after = before.changed(tile=128, crf={"iterations": 2})
    assert (before.tile, after.tile) == (512, 128)
    assert type(after) is SegmentSettings
    with pytest.raises(ConfigurationError, match="overlap of at most half"):
        after.changed(overlap=96)
    with pytest.raises(ValidationError, match="frozen"):
        after.tile = 512  # type: ignore[misc]


def test_names_of_settings_may_be_anything() -> None:
    """A name in a file is no argument of ours."""
    for name in ("self", "cls", "fields"):
        with pytest.raises(ConfigurationError, match=f"setting {name}: expected a known name"):
            SegmentSettings.checked(**{name: 1})


def test_pydantic_stays_what_others_know() -> None:
    assert issubclass(Settings, BaseModel)
    with pytest.raises(ValueError, match="greater than or equal to 64"):
        SegmentSettings(tile=8)
