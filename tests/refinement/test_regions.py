from __future__ import annotations

import torch

from napari_construct.refinement.regions import region_weights


def test_closed_form() -> None:
    cam = torch.tensor([[[[4.0, 2.0], [1.0, -3.0]], [[0.5, 0.1], [0.1, 0.1]]]])
    weights = region_weights(cam, torch.tensor([[1.0, 1.0]]), (2, 2))
    assert weights.images.tolist() == [0, 0]
    assert weights.classes.tolist() == [0, 1]
    torch.testing.assert_close(weights.foreground[0, 0], torch.tensor([[4.0, 2.0], [0.0, 0.0]]))
    torch.testing.assert_close(weights.background[0, 0], torch.tensor([[0.0, 0.0], [0.0, 1.0]]))


def test_a_weak_class_loses_its_foreground_to_the_images_maximum() -> None:
    cam = torch.tensor([[[[4.0, 2.0], [1.0, -3.0]], [[0.5, 0.1], [0.1, 0.1]]]])
    labels = torch.tensor([[0.0, 1.0]])
    assert float(region_weights(cam, labels, (2, 2)).foreground.abs().max()) == 0
    own = region_weights(cam, labels, (2, 2), per_class=True)
    torch.testing.assert_close(own.foreground[0, 0], torch.tensor([[0.5, 0.0], [0.0, 0.0]]))


def test_rows_follow_the_labels_and_may_be_none() -> None:
    cam = torch.ones(3, 2, 2, 2)
    labels = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    weights = region_weights(cam, labels, (4, 4))
    assert weights.images.tolist() == [0, 2, 2]
    assert weights.classes.tolist() == [1, 0, 1]
    assert weights.foreground.shape == (3, 1, 4, 4)
    assert region_weights(cam, torch.zeros(3, 2), (4, 4)).background.shape == (0, 1, 4, 4)
