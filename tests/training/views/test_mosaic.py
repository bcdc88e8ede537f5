"""Mosaics: what is pasted is where the mask says, and each part is classified by its own labels."""

from __future__ import annotations

import torch

from napari_construct.models.network.pooling import pool_logits
from napari_construct.training.objective.part_logits import cell_logits, part_logits
from napari_construct.training.views.batch import TrainingBatch
from napari_construct.training.views.mosaic import LARGEST, SMALLEST, paste, share_of_cells


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_strips_come_from_the_partner() -> None:
    images = torch.rand(8, 3, 40, 40, generator=generator())
    mosaic, pasted, partner = paste(images, 1.0, generator())
    expected = torch.where(pasted[:, None], images[partner], images)
    torch.testing.assert_close(mosaic, expected)
    share = pasted.float().mean((1, 2))
    assert bool(((share >= SMALLEST - 0.03) & (share <= LARGEST + 0.03)).all())


def test_strips_lie_at_all_four_sides() -> None:
    _, pasted, _ = paste(torch.rand(64, 3, 16, 16), 1.0, generator())
    sides = {(bool(p[0].all()), bool(p[-1].all()), bool(p[:, 0].all()), bool(p[:, -1].all())) for p in pasted}
    assert len(sides) == 4


def test_no_share_changes_nothing() -> None:
    images = torch.rand(4, 3, 16, 16)
    mosaic, pasted, _ = paste(images, 0.0, generator())
    torch.testing.assert_close(mosaic, images)
    assert not bool(pasted.any())


def test_equal_generators_give_equal_mosaics() -> None:
    images = torch.rand(6, 3, 16, 16)
    first, second = paste(images, 0.5, generator()), paste(images, 0.5, generator())
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b)


def test_each_part_is_pooled_on_its_own() -> None:
    cam = torch.zeros(2, 1, 4, 4)
    cam[0, :, :, :2], cam[0, :, :, 2:] = 1.0, 5.0
    pasted = torch.zeros(2, 32, 32, dtype=torch.bool)
    pasted[0, :, 16:] = True
    batch = TrainingBatch(
        torch.zeros(2, 3, 32, 32), torch.ones(2, 1), pasted, (torch.tensor([[1.0], [0.0]]), torch.ones(2, 1))
    )
    for pooling in ("mean", "log_mean_exp", "attention"):
        logits, labels = part_logits(cam, batch, pooling)
        torch.testing.assert_close(logits, torch.tensor([[1.0], [0.0], [5.0]]))
        torch.testing.assert_close(labels, torch.tensor([[1.0], [0.0], [1.0]]))


def test_a_share_of_one_is_the_whole_image() -> None:
    cam = torch.randn(3, 2, 5, 5, generator=generator())
    for pooling in ("mean", "log_mean_exp", "attention"):
        torch.testing.assert_close(pool_logits(cam, pooling, torch.ones(3, 5, 5)), pool_logits(cam, pooling))


def test_cells_hold_the_share_of_their_pixels() -> None:
    pasted = torch.zeros(1, 8, 8, dtype=torch.bool)
    pasted[:, :, :2] = True
    torch.testing.assert_close(share_of_cells(pasted, (2, 2)), torch.tensor([[[0.5, 0.0], [0.5, 0.0]]]))


def test_cells_carry_the_labels_of_their_part() -> None:
    cam = torch.arange(8.0).view(1, 2, 2, 2)
    pasted = torch.zeros(1, 16, 16, dtype=torch.bool)
    pasted[:, :, 8:] = True
    parts = (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    logits, labels = cell_logits(
        cam, TrainingBatch(torch.zeros(1, 3, 16, 16), torch.ones(1, 2), pasted, parts)
    )
    torch.testing.assert_close(logits, torch.tensor([[0.0, 4.0], [1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]))
    torch.testing.assert_close(labels, torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))


def test_cells_of_a_plain_patch_carry_its_labels() -> None:
    cam = torch.zeros(2, 3, 2, 2)
    patch_labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    _, labels = cell_logits(cam, TrainingBatch(torch.zeros(2, 3, 16, 16), patch_labels))
    torch.testing.assert_close(labels, patch_labels.repeat_interleave(4, 0))
