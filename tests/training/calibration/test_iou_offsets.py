"""Offsets by mean intersection over union, against brute force and limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.training.calibration.iou_offsets import GRID, iou_offsets, right_probabilities
from napari_construct.training.calibration.labelled_logits import LabelledLogits


def data(cells: np.ndarray, classes: np.ndarray) -> LabelledLogits:
    zeros = np.zeros(len(cells), dtype=np.intp)
    k = cells.shape[1]
    return LabelledLogits(
        np.zeros((0, k)),
        np.zeros((0, k), dtype=np.uint8),
        cells.astype(np.float32),
        classes,
        zeros,
        zeros[:1],
    )


def miou(cells: np.ndarray, classes: np.ndarray) -> float:
    matrix = confusion_matrix(classes.astype(np.uint8), cells.argmax(1) + 1, cells.shape[1])
    return float(scores_from_confusion(matrix)["miou"])


def noisy(k: int, shift: float, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Classes of unequal frequency, with the first class's logit too high by ``shift``."""
    draw = np.random.default_rng(k)
    classes = draw.choice(k, n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    cells = draw.normal(size=(n, k)) + 2.0 * np.eye(k)[classes]
    cells[:, 0] += shift
    return cells, classes


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_two_classes_get_the_best_of_all_differences(temperature: float) -> None:
    cells, classes = noisy(2, 1.5)
    offsets = iou_offsets(data(cells, classes), temperature)
    assert sum(offsets) == pytest.approx(0, abs=1e-9)
    reached = miou(cells / temperature + offsets, classes)
    best = max(miou(cells / temperature + [g, 0], classes) for g in GRID)
    assert reached > best - 0.006  # what the pull to zero may cost
    assert reached > miou(cells, classes) + 0.03
    assert offsets[0] < offsets[1]


def test_three_classes_gain_and_a_right_balance_is_kept() -> None:
    cells, classes = noisy(3, 2.0)
    offsets = iou_offsets(data(cells, classes), 1.0)
    assert miou(cells + offsets, classes) > miou(cells, classes) + 0.03
    sure = 50.0 * np.eye(3)[classes]
    assert iou_offsets(data(sure, classes), 1.0) == (0.0, 0.0, 0.0)


def test_nothing_to_balance() -> None:
    assert iou_offsets(data(np.zeros((5, 1)), np.zeros(5, dtype=np.intp)), 1.0) == ()
    assert iou_offsets(data(np.zeros((0, 2)), np.zeros(0, dtype=np.intp)), 1.0) == ()


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("scale", [0.2, 6.0])
def test_probabilities_are_right_and_decisions_stay(k: int, scale: float) -> None:
    cells, classes = noisy(k, 1.0)
    cells *= scale  # a network that is far too timid, or far too sure
    offsets = iou_offsets(data(cells, classes), 1.0)
    temperature, moved = right_probabilities(data(cells, classes), 1.0, offsets)

    def probabilities(t: float, o: tuple[float, ...]) -> np.ndarray:
        return softmax(cells / t + np.asarray(o), axis=1)

    before, after = probabilities(1.0, offsets), probabilities(temperature, moved)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))
    likelihood = [np.log(p[np.arange(len(p)), classes]).mean() for p in (before, after)]
    assert likelihood[1] > likelihood[0]
    right = (after.argmax(1) == classes).mean()
    off = [abs(p.max(1).mean() - right) for p in (before, after)]
    assert off[1] < min(0.05, off[0])


def test_cells_of_one_class_say_nothing_of_probabilities() -> None:
    cells = np.random.default_rng(0).normal(size=(50, 2))
    assert right_probabilities(data(cells, np.zeros(50, dtype=np.intp)), 2.0, (0.1, -0.1)) == (
        2.0,
        (0.1, -0.1),
    )
