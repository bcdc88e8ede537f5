from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_construct.refinement.cam import (
    background_probability,
    enlarge,
    published_crf_image,
    published_probabilities,
    rescale,
)

BCSS_MEAN = (0.66791496, 0.47791372, 0.70623304)
BCSS_STD = (0.1736589, 0.22564577, 0.19820057)


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rescale_brings_every_class_onto_0_to_1() -> None:
    cam = torch.tensor([-1.0, 0.0, 2.0, 4.0]).view(1, 1, 2, 2)
    torch.testing.assert_close(rescale(cam).flatten(), torch.tensor([0.0, 0.0, 0.5, 1.0]))
    positive = torch.tensor([1.0, 2.0, 3.0, 5.0]).view(1, 1, 2, 2)
    torch.testing.assert_close(rescale(positive).flatten(), torch.tensor([0.0, 0.25, 0.5, 1.0]))


def test_rescale_leaves_a_class_that_is_nowhere_positive_at_0() -> None:
    assert float(rescale(-maps(2, 3, 4, 4).abs()).abs().max()) == 0


def test_rescale_knows_no_absolute_strength() -> None:
    """The published quirk: a hundred times weaker evidence gives the same activation."""
    cam = maps(1, 2, 5, 5)
    torch.testing.assert_close(rescale(0.01 * cam), rescale(cam), rtol=1e-5, atol=1e-5)


def test_enlarge_keeps_the_corners() -> None:
    cam = maps(1, 2, 3, 3)
    large = enlarge(cam, (9, 9))
    torch.testing.assert_close(
        large[..., [0, 0, -1, -1], [0, -1, 0, -1]], cam[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    )


def test_background_of_a_half_active_pixel() -> None:
    activation = torch.tensor([0.5, 0.2]).view(1, 2, 1, 1)
    assert float(background_probability(activation)) == pytest.approx(0.5**10)
    assert float(background_probability(activation, 1.0)) == pytest.approx(0.5)
    assert float(background_probability(torch.zeros(1, 2, 1, 1))) == 1


def test_probabilities_of_an_empty_image_are_the_softmax_of_zeros_and_one() -> None:
    probabilities = published_probabilities([-torch.ones(1, 4, 2, 2)], torch.ones(1, 4), (2, 2))
    assert float(probabilities[0, 4, 0, 0]) == pytest.approx(math.e / (math.e + 4))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 2, 2))


def test_probabilities_never_exceed_the_cap_of_the_softmax() -> None:
    probabilities = published_probabilities([100 * maps(2, 4, 7, 7)], torch.ones(2, 4), (28, 28))
    assert float(probabilities.max()) <= math.e / (math.e + 4) + 1e-6
    assert math.e / (math.e + 4) == pytest.approx(0.405, abs=1e-3)


def test_classes_that_are_not_named_have_no_activation() -> None:
    labels = torch.tensor([[1, 0]])
    probabilities = published_probabilities([maps(1, 2, 3, 3)], labels, (6, 6))
    absent, lowest = probabilities[:, 1], probabilities.amin(1)
    torch.testing.assert_close(absent, lowest)


def test_views_are_averaged_after_rescaling() -> None:
    weak, strong = maps(1, 2, 3, 3), 50 * maps(1, 2, 3, 3, seed=1)
    both = published_probabilities([weak, strong], torch.ones(1, 2), (3, 3))
    activation = (rescale(weak) + rescale(strong)) / 2
    expected = torch.cat([activation, (1 - activation.amax(1, keepdim=True)) ** 10], 1).softmax(1)
    torch.testing.assert_close(both, expected)


def test_crf_image_is_at_most_one_grey_level_darker() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    truncated = published_crf_image(image, BCSS_MEAN, BCSS_STD)
    difference = image.astype(int) - truncated
    assert truncated.dtype == np.uint8
    assert set(np.unique(difference)) == {0, 1}
