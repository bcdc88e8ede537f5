from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from napari_construct.losses.partial_labels import (
    PartialLabels,
    label_set_weight,
    partial_label_loss,
    presence_loss,
)


def seeded(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_one_class_is_the_cross_entropy() -> None:
    z, truth = seeded(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, 2])
    torch.testing.assert_close(partial_label_loss(z, F.one_hot(truth, 3).float()), F.cross_entropy(z, truth))


def test_two_of_three_classes_rule_out_the_third() -> None:
    z = torch.tensor([[0.0, math.log(2), math.log(5)]], dtype=torch.float64)
    assert partial_label_loss(z, torch.tensor([[1.0, 1.0, 0.0]])).item() == pytest.approx(-math.log(3 / 8))


def test_cells_that_are_told_nothing_do_not_count() -> None:
    z, labels = seeded(4, 2), torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    told = [0, 3]
    torch.testing.assert_close(partial_label_loss(z, labels), partial_label_loss(z[told], labels[told]))
    z = z[1:3].requires_grad_()
    loss = partial_label_loss(z, labels[1:3])
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert z.grad.abs().max() == 0


def test_gradients() -> None:
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 1]])
    weight = torch.tensor([1.0, 0.5, 3.0, 2.0], dtype=torch.float64)
    z = seeded(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: partial_label_loss(x, labels, weight), z)
    assert torch.autograd.gradcheck(lambda x: presence_loss(x, labels), z)


def test_presence_asks_for_the_classes_of_mixed_patches() -> None:
    pooled = torch.tensor([[0.0, 1.0, 9.0], [5.0, 5.0, 5.0]])
    labels = torch.tensor([[1.0, 1, 0], [1, 0, 0]])
    expected = (math.log(2) + math.log1p(math.exp(-1))) / 2
    assert presence_loss(pooled, labels).item() == pytest.approx(expected)
    assert presence_loss(pooled, labels[[1, 1]]).item() == 0


def test_label_sets_have_the_same_say() -> None:
    data = torch.tensor([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 2 + [[1.0, 1.0]] * 9)
    weight = label_set_weight(data, data)
    assert weight[0].item() * 6 == pytest.approx(weight[7].item() * 2)
    assert weight[:8].mean().item() == pytest.approx(1)
    rare = torch.tensor([[1.0, 0.0]] * 999 + [[0.0, 1.0]])
    assert label_set_weight(rare, rare).max().item() == pytest.approx(10)


def test_module_is_the_function() -> None:
    data = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    z = seeded(3, 2).float()
    expected = partial_label_loss(z, data, label_set_weight(data, data))
    torch.testing.assert_close(PartialLabels(data)(z, data), expected)
