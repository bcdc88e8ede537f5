"""Settings of a distillation."""

from __future__ import annotations

import pytest

from napari_construct.crossmodal.config import NO_KD, TERMS, DistilConfig
from napari_construct.exceptions import ConfigurationError


def test_the_baseline_needs_no_teacher() -> None:
    assert DistilConfig().terms == TERMS
    assert DistilConfig().uses_teacher
    assert not DistilConfig(terms=NO_KD).uses_teacher
    assert DistilConfig(terms=("boundary",)).uses_teacher


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"terms": ("truth", "truth")}, "expected each term once"),
        ({"terms": ()}, "terms"),
        ({"low": 99.9}, "expected low below high"),
        ({"patch": 100}, "patch"),
        ({"channels": ()}, "channels"),
        ({"student": "resnet50"}, "student"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_sentence(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        DistilConfig.checked(**fields)


def test_settings_survive_json() -> None:
    config = DistilConfig(channels=("DAPI",), terms=("probability",), truth_images=3)
    assert DistilConfig.model_validate_json(config.model_dump_json()) == config
