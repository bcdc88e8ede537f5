"""Which encoder a run takes, and whether it is trained along."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.config.parts import NormStatistics
from napari_construct.training.loop.preparation import (
    make_encoders,
    settled_norms,
    student_id,
    trains_encoder,
)


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


@pytest.mark.parametrize("frozen", [{"feature_cache": True}, {"encoder_learning_rate": None}])
def test_random_weights_must_be_trained(frozen: dict[str, object]) -> None:
    config = TrainingConfig.model_validate({"model": {"encoder": "small"}, **frozen})
    with pytest.raises(
        ConfigurationError, match="expected the encoder small, whose weights are random, to be"
    ):
        make_encoders(config, None, None)


@pytest.mark.parametrize(
    ("asked", "encoder", "labels", "expected"),
    [
        ("auto", "lite0", [[1, 0], [0, 1]], "frozen"),
        ("auto", "lite0", [[1, 0], [1, 1]], "batch"),
        ("auto", "mini", [[1, 0], [0, 1]], "batch"),
        ("batch", "lite0", [[1, 0], [0, 1]], "batch"),
        ("frozen", "mini", [[1, 1], [0, 1]], "frozen"),
    ],
)
def test_statistics_of_the_pre_training_stay_with_patches_of_one_class(
    asked: NormStatistics, encoder: str, labels: list[list[int]], expected: str
) -> None:
    assert settled_norms(asked, encoder, np.array(labels, np.float32)) == expected
