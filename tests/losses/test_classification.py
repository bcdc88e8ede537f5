from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.losses.classification import Classification, class_balance, classification_loss


def test_closed_form() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])
    labels = torch.tensor([[1.0, 0.0]])
    assert float(classification_loss(logits, labels)) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_limits() -> None:
    labels = torch.tensor([[1.0, 0.0]])
    sure = torch.tensor([[50.0, -50.0]])
    assert float(classification_loss(sure, labels)) == pytest.approx(0, abs=1e-12)
    assert float(classification_loss(-sure, labels)) == pytest.approx(50)


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    labels = (torch.rand(3, 4, generator=generator) > 0.5).double()
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: classification_loss(z, labels, weight), (logits,))


def test_balance_gives_both_sides_the_same_say() -> None:
    labels = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    weight = class_balance(labels)
    torch.testing.assert_close(weight, torch.tensor([3.0, 1 / 3]))
    logits = torch.zeros(4, 2, requires_grad=True)
    Classification(weight)(logits, labels).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad.sum(0), torch.zeros(2))


def test_balance_is_bounded() -> None:
    labels = torch.zeros(1000, 2)
    labels[:, 1] = 1
    torch.testing.assert_close(class_balance(labels, limit=5.0), torch.tensor([5.0, 0.2]))
    with pytest.raises(ValueError, match="expected a limit of at least 1"):
        class_balance(labels, limit=0.5)


def test_number_of_the_released_code(shared: Path) -> None:
    with np.load(shared / "parity" / "construct_reference.npz") as golden:
        logits, labels = torch.from_numpy(golden["cls_logits"]), torch.from_numpy(golden["labels"]).float()
        assert float(classification_loss(logits, labels)) == pytest.approx(float(golden["bce"]), rel=1e-6)
