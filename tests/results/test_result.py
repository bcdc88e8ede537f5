"""What is measured of a mask."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.results.result import SegmentationResult


def result_of(labels: np.ndarray, classes: int) -> SegmentationResult:
    maps = np.zeros((classes, *labels.shape), np.float32)
    return SegmentationResult(
        labels=labels,
        probabilities=maps,
        cams=maps,
        confidence=np.ones(labels.shape, np.float32),
        background=labels == 0,
        presence=(True,) * classes,
        presence_scores=(1.0,) * classes,
        classes=ClassTable.from_names(tuple(f"class {i}" for i in range(classes))),
        mpp=0.5,
    )


def test_components_touch_at_corners_and_not_across_classes() -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[0, 0] = labels[1, 1] = 1  # one part, by a corner
    labels[4:, :2] = 1
    labels[4:, 2:4] = 2  # beside another class
    assert result_of(labels, 3).components() == [2, 1, 0]
    assert result_of(np.zeros((4, 4), np.uint8), 2).components() == [0, 0]


def test_components_are_those_of_each_class_alone() -> None:
    from scipy import ndimage

    labels = np.random.default_rng(0).integers(0, 5, (40, 60), np.uint8)
    alone = [ndimage.label(labels == value, np.ones((3, 3)))[1] for value in range(1, 5)]
    assert result_of(labels, 4).components() == alone


def test_measures_are_areas_and_components() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[:5] = 1
    first, second = result_of(labels, 2).measures()
    assert first == {
        "class": "class 0",
        "pixels": 50,
        "percent_of_tissue": 100.0,
        "mm2": pytest.approx(50 * 0.25e-6),
        "components": 1,
    }
    assert (second["pixels"], second["components"]) == (0, 0)
