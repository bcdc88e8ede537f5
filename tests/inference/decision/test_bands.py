"""A decision on a large image is made in pieces: it can be cancelled in between, and no number changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.inference.conftest import ColourPredictor, checkpoint

from napari_construct.crf import CRFParameters
from napari_construct.events import Event, run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.decision import bands
from napari_construct.inference.decision.decider import Decider
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule

SETTINGS = SegmentSettings(
    crf=CRFParameters(appearance_weight=5),
    background=BackgroundRule(brightness=200, sigma=3, min_area=50),
    min_confidence=0.4,
    protect_confidence=0.9,
)


def test_bands_cover_every_row_once(monkeypatch) -> None:
    monkeypatch.setattr(bands, "BAND_PIXELS", 700)
    rows = [row for part in bands.bands(45, 100) for row in range(45)[part]]
    assert rows == list(range(45))


@pytest.mark.parametrize("window", [None, (slice(20, 150), slice(10, 170))])
def test_a_decision_in_pieces_is_the_same(tissue: np.ndarray, window: Any, monkeypatch) -> None:
    predictor = ColourPredictor(checkpoint())
    activation = run(cam_steps(tissue, predictor, SETTINGS))
    at_once: list[Event] = []
    whole = run(Decider(activation, predictor).steps(SETTINGS, window), at_once.append)
    monkeypatch.setattr(bands, "BAND_PIXELS", 10 * tissue.shape[1])
    events: list[Event] = []
    parts = run(Decider(activation, predictor).steps(SETTINGS, window), events.append)
    assert len(events) > 3 * len(at_once)
    for name in ("labels", "probabilities", "cams", "confidence", "background"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.refinement == whole.refinement
