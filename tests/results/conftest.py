"""A result whose every number is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.results.result import SegmentationResult

CLASSES = ClassTable.from_names(("tumour", "lymph <&> node"), palette=("#102030", "#D0E0F0"))


@pytest.fixture
def image() -> np.ndarray:
    """(40, 60, 3) uint8."""
    return np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def result() -> SegmentationResult:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (40, 60)).astype(np.uint8)
    cams = random.random((2, 40, 60), dtype=np.float32)
    return SegmentationResult(
        labels=labels,
        probabilities=cams / cams.sum(0),
        cams=cams,
        confidence=cams.max(0),
        background=(labels == 0) & (random.random((40, 60)) < 0.5),
        presence=(True, False),
        presence_scores=(0.9, 0.25),
        classes=CLASSES,
        mpp=0.25,
        record={
            "input": {"name": "slide 1.ome.tif", "mpp": 0.25},
            "model": {"name": "lymph-node"},
            "presence": {
                "tumour": {"present": True, "score": 0.9},
                "lymph <&> node": {"present": False, "score": 0.25},
            },
            "notices": ["the alpha channel is dropped"],
        },
    )
