from __future__ import annotations

import math

import pytest
import torch

from napari_construct.losses.bce_dice import bce_dice
from napari_construct.losses.mask_truth import MaskTruth, mask_truth


def test_numbers_of_instances_are_foreground() -> None:
    truth = torch.tensor([[0, 7], [3, 0]], dtype=torch.int32).view(1, 1, 2, 2)
    z = torch.zeros(1, 1, 2, 2)
    dice = 1 - (2 * 2 * 0.5 + 1) / (4 * 0.25 + 2 + 1)
    assert mask_truth(z, truth).item() == pytest.approx(math.log(2) + dice)
    torch.testing.assert_close(MaskTruth()(z, truth), bce_dice(z, (truth > 0).float()))


def test_images_without_truth_take_no_part() -> None:
    z = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    truth = torch.zeros(2, 1, 4, 4, dtype=torch.int32)
    truth[0, :, :2] = 5
    valid = torch.tensor([True, False]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    torch.testing.assert_close(mask_truth(z, truth, valid), mask_truth(z[:1], truth[:1]))
    assert mask_truth(z, truth, torch.zeros_like(valid)).item() == 0


def test_gradcheck() -> None:
    z = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth = torch.randint(0, 3, (2, 1, 3, 3))
    assert torch.autograd.gradcheck(lambda x: mask_truth(x, truth, truth != 2), (z.requires_grad_(),))
