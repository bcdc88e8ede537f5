from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.losses.relational_distillation import (
    RelationalDistillation,
    affinity,
    relational_distillation,
)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_closed_form_of_two_places() -> None:
    angle = math.radians(60)
    student = torch.tensor([[1.0, math.cos(angle)], [0.0, math.sin(angle)]]).view(1, 2, 1, 2)
    teacher = torch.tensor([[3.0, 0.0], [0.0, 5.0]]).view(1, 2, 1, 2)  # orthogonal, of any length
    # affinities [[1, .5], [.5, 1]] and the identity: two of four entries differ by 0.5
    assert float(relational_distillation(student, teacher)) == pytest.approx(2 * 0.25 / 4)


def test_affinity_is_a_symmetric_cosine_matrix() -> None:
    matrix = affinity(seeded(2, 5, 3, 4))
    assert matrix.shape == (2, 12, 12)
    torch.testing.assert_close(matrix, matrix.transpose(1, 2))
    torch.testing.assert_close(matrix.diagonal(dim1=1, dim2=2), torch.ones(2, 12, dtype=torch.float64))
    assert float(matrix.abs().max()) <= 1 + 1e-12


def test_equal_relations_cost_nothing_whatever_scale_rotation_and_channels() -> None:
    student = seeded(1, 4, 3, 3)
    rotation = torch.linalg.qr(seeded(7, 4, seed=1)).Q  # four channels into seven, lengths kept
    teacher = 3 * torch.einsum("dc,bchw->bdhw", rotation, student)
    assert float(relational_distillation(student, teacher)) == pytest.approx(0, abs=1e-24)


def test_upper_limit_is_four() -> None:
    same = torch.ones(1, 1, 1, 2)
    opposite = torch.tensor([[[[1.0, -1.0]]]])
    assert float(relational_distillation(same, opposite)) == pytest.approx(4 / 2)  # the diagonal agrees
    assert float(relational_distillation(seeded(2, 3, 4, 4), seeded(2, 3, 4, 4, seed=1))) < 4


def test_teacher_is_resized_to_the_students_grid_and_gets_no_gradient() -> None:
    student = seeded(1, 3, 2, 2).requires_grad_()
    teacher = seeded(1, 3, 4, 4, seed=1).requires_grad_()
    loss = RelationalDistillation()(student, teacher)
    smaller = torch.nn.functional.avg_pool2d(teacher, 2)  # what bilinear halving is
    torch.testing.assert_close(loss, relational_distillation(student, smaller))
    loss.backward()
    assert student.grad is not None
    assert float(student.grad.abs().max()) > 0
    assert teacher.grad is None


def test_gradcheck() -> None:
    teacher = seeded(2, 4, 3, 3, seed=1)
    student = seeded(2, 3, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: relational_distillation(s, teacher), (student,))


def test_features_of_zero_are_no_nan() -> None:
    student = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = relational_distillation(student, torch.ones(1, 3, 2, 2))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1.0)
    assert student.grad is not None
    assert bool(torch.isfinite(student.grad).all())


def test_numbers_of_the_released_code(shared: Path) -> None:
    """Level 3 on the channels that the golden file holds is not the whole level; the exact value is in
    the parity test. Here: the loss between the file's own arrays agrees with a plain double loop."""
    with np.load(shared / "parity" / "construct_reference.npz") as golden:
        student = torch.from_numpy(golden["refined_3"]).double()
        teacher = torch.from_numpy(golden["teacher_3"]).double()
    teacher = torch.nn.functional.interpolate(teacher, (7, 7), mode="bilinear", align_corners=False)
    total = 0.0
    for s, t in zip(student.flatten(2).numpy(), teacher.flatten(2).numpy(), strict=True):
        unit_s, unit_t = s / np.linalg.norm(s, axis=0), t / np.linalg.norm(t, axis=0)
        total += float(((unit_s.T @ unit_s - unit_t.T @ unit_t) ** 2).mean())
    assert float(relational_distillation(student, teacher)) == pytest.approx(total / len(student), rel=1e-9)
