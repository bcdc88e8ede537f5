"""One base of all settings, and one sentence for every mistake in them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.crf import CRFParameters
from napari_construct.encoders.catalogue.download import DownloadSettings
from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.calibration import BackgroundRule, Calibration
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


OLD_FIELDS: list[tuple[type[Settings], str, dict[str, Any]]] = [
    (TrainingConfig, '{"labels_speak_of": "parts"}', {"label_target": "parts"}),
    (BackgroundRule, '{"smallest": 7}', {"min_area": 7.0}),
    (Calibration, '{"background": {"smallest": 7}}', {"background": BackgroundRule(min_area=7)}),
    (SegmentSettings, '{"background": {"smallest": 7}}', {"background": BackgroundRule(min_area=7)}),
    (ZeroShotSettings, '{"encoder": "conch", "classes": "a, b", "several": "prototypes"}',
     {"prompt_ensemble": "prototypes"}),
    (WeightFile, '{"name": "a", "or_else": ["b"]}', {"alternative_names": ("b",)}),
    (EncoderEntry,
     '{"id":"x", "loader":"tiny", "note":"n", "source": "s", "licence": "l", "meaning": "M", "citation":"c"}',
     {"licence_terms": "M"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "stored", "expected"), OLD_FIELDS)
def test_names_of_earlier_versions_are_read(
    kind: type[Settings], stored: str, expected: dict[str, Any]
) -> None:
    for settings in (kind.model_validate_json(stored), kind.checked(**json.loads(stored))):
        assert {name: getattr(settings, name) for name in expected} == expected
        assert not kind.OLD_NAMES.keys() & settings.model_dump().keys()


def test_changes_may_have_the_names_of_earlier_versions() -> None:
    assert TrainingConfig().changed(labels_speak_of="parts").label_target == "parts"
    assert BatchSettings.renamed({"segment": {"background": {"smallest": 7}}}) == {
        "segment": {"background": {"min_area": 7}}
    }


def test_an_old_and_a_new_name_together_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="setting labels_speak_of: expected a known name"):
        TrainingConfig.checked(label_target="cells", labels_speak_of="parts")


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


OLD_SEGMENT = """{
    "classes": null, "views": "four", "tile": 256, "overlap": 32, "mpp": 0.25,
    "crf": {
        "smoothness_sigma": 15.0, "smoothness_weight": 30.0, "appearance_sigma_xy": 10.0,
        "appearance_sigma_rgb": 20.0, "appearance_weight": 50.0, "iterations": 5
    },
    "min_confidence": 0.0, "protect_confidence": null, "presence_threshold": null, "background": null,
    "background_exponent": 10.0, "device": "auto"
}"""
"""As version 0.1.0 wrote it into records and into what widgets remember."""


def test_segment_settings_of_before_can_be_read() -> None:
    found = SegmentSettings.model_validate_json(OLD_SEGMENT)
    assert found == SegmentSettings(views="four", tile=256, overlap=32, mpp=0.25, crf=CRFParameters())
    unrefined = json.loads(OLD_SEGMENT) | {"crf": None}
    assert SegmentSettings.checked(**unrefined).crf is None


@pytest.mark.parametrize("kind", [SegmentSettings, PrototypeSettings])
def test_a_device_among_settings_is_told_to_have_no_effect(kind: type[Settings]) -> None:
    with pytest.warns(FutureWarning, match="device is no longer a setting.*got 'cuda'.*load_model"):
        found = kind.checked(tile=256, device="cuda")
    assert found == kind.checked(tile=256)


def test_settings_that_load_a_model_take_the_device_over() -> None:
    old = {"model": "m", "segment": json.loads(OLD_SEGMENT) | {"device": "cuda:1"}, "outputs": ["mask"]}
    batch = BatchSettings.checked(**old)
    assert (batch.device, batch.segment.tile) == ("cuda:1", 256)
    assert BatchSettings.checked(**old, device="cpu").device == "cpu"


@pytest.mark.parametrize("uses_crf", [True, False])
def test_auto_stands_for_what_suits_a_model(uses_crf: bool) -> None:
    assert SegmentSettings(tile=64, overlap=0).resolved(uses_crf=uses_crf) == SegmentSettings(
        tile=64, overlap=0, crf=CRFParameters() if uses_crf else None
    )
    for crf in (None, CRFParameters(iterations=1)):
        assert SegmentSettings(crf=crf).resolved(uses_crf=uses_crf).crf == crf
