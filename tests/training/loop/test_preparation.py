"""Which encoder a run takes, and whether it is trained along."""

from __future__ import annotations

import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.preparation import ENOUGH, make_encoders, student_id, trains_encoder


@pytest.mark.parametrize(
    ("changes", "patches", "expected", "trained"),
    [
        ({}, ENOUGH, "small", True),
        ({}, ENOUGH - 1, "mini", True),
        ({"feature_cache": True}, ENOUGH, "mini", False),
        ({"encoder_learning_rate": None}, ENOUGH, "mini", False),
        ({"encoder_learning_rate": 1e-4}, ENOUGH, "small", True),
        ({"model": {"encoder": "tiny"}}, ENOUGH, "tiny", False),
    ],
)
def test_auto_takes_what_so_many_patches_can_teach(
    changes: dict[str, object], patches: int, expected: str, trained: bool
) -> None:
    config = TrainingConfig.model_validate(changes)
    assert student_id(config, patches) == expected
    assert trains_encoder(config, expected) == trained
    student, _, told = make_encoders(config, None, None, patches)
    assert student.spec.id == told.model.encoder == expected
    assert (told.encoder_learning_rate is not None) == trained


@pytest.mark.parametrize("frozen", [{"feature_cache": True}, {"encoder_learning_rate": None}])
def test_random_weights_must_be_trained(frozen: dict[str, object]) -> None:
    config = TrainingConfig.model_validate({"model": {"encoder": "small"}, **frozen})
    with pytest.raises(
        ConfigurationError, match="expected the encoder small, whose weights are random, to be"
    ):
        make_encoders(config, None, None, 10_000)
