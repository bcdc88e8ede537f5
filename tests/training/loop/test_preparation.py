"""Which encoder a run takes, and whether it is trained along."""

from __future__ import annotations

import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.preparation import make_encoders, student_id, trains_encoder


@pytest.mark.parametrize(
    ("changes", "expected", "trained"),
    [
        ({}, "lite0", True),
        ({"feature_cache": True}, "lite0", False),
        ({"encoder_learning_rate": None}, "lite0", False),
        ({"encoder_learning_rate": 1e-4}, "lite0", True),
        ({"model": {"encoder": "small"}}, "small", True),
        ({"model": {"encoder": "tiny"}}, "tiny", False),
    ],
)
def test_auto_is_the_bundled_encoder_trained_along_unless_it_is_frozen(
    changes: dict[str, object], expected: str, trained: bool
) -> None:
    config = TrainingConfig.model_validate(changes)
    assert student_id(config) == expected
    assert trains_encoder(config, expected) == trained
    student, _, told = make_encoders(config, None, None)
    assert student.spec.id == told.model.encoder == expected
    assert (told.encoder_learning_rate is not None) == trained
    assert told.norm_statistics == ("frozen" if expected == "lite0" else "batch")


@pytest.mark.parametrize("frozen", [{"feature_cache": True}, {"encoder_learning_rate": None}])
def test_random_weights_must_be_trained(frozen: dict[str, object]) -> None:
    config = TrainingConfig.model_validate({"model": {"encoder": "small"}, **frozen})
    with pytest.raises(
        ConfigurationError, match="expected the encoder small, whose weights are random, to be"
    ):
        make_encoders(config, None, None)
