from __future__ import annotations

import math

import pytest
import torch

from napari_construct.losses.info_nce import repulsion
from napari_construct.losses.labelled_contrast import LabelledContrast, labelled_contrast


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_repulsion_has_a_closed_form() -> None:
    keys, own = torch.eye(3), torch.tensor([[True, False, False]])
    at_right_angles, on_top = keys[1:2], 5 * keys[:1]
    assert float(repulsion(at_right_angles, keys, own, 0.5)) == pytest.approx(math.log(2))
    assert float(repulsion(on_top, keys, own, 0.5)) == pytest.approx(math.log1p(math.exp(2)))
    assert float(repulsion(-on_top, keys, own, 0.01)) == pytest.approx(0, abs=1e-12)
    both = torch.tensor([[True, True, False]])
    assert float(repulsion(on_top, keys, both, 0.5)) == pytest.approx(math.log(2 + math.exp(2)))


def test_repulsion_without_queries_or_negatives_is_nothing() -> None:
    keys = seeded(2, 3).requires_grad_()
    nothing = repulsion(seeded(0, 3), keys, torch.zeros(0, 2, dtype=torch.bool))
    assert float(nothing.detach()) == 0
    loss = repulsion(seeded(1, 3), keys, torch.zeros(1, 2, dtype=torch.bool))
    loss.backward()
    assert float(loss.detach()) == 0
    assert keys.grad is not None
    assert bool((keys.grad == 0).all()), "no NaN from an empty sum"
    with pytest.raises(ValueError, match="temperature above 0"):
        repulsion(keys, keys, torch.eye(2, dtype=torch.bool), 0.0)


def test_negatives_are_regions_of_patches_without_the_class() -> None:
    """Rows: pure a, pure b, and a again. The two a's are no negatives of each other."""
    axes = torch.eye(4)
    regions = torch.stack([axes[2], axes[2], axes[2]])  # all at right angles to both prototypes
    labels = torch.tensor([[1.0, 0], [0, 1], [1, 0]])
    losses = labelled_contrast(regions, regions, axes[:2], torch.tensor([0, 1, 0]), labels, temperature=1.0)
    # own prototype e^0, the other one e^0; the a's have one certain negative at cosine 1, b has two
    expected = (2 * math.log(2 + math.e) + math.log(2 + 2 * math.e)) / 3
    assert float(losses.foreground) == pytest.approx(expected, rel=1e-6)


def test_pure_patches_have_no_background_loss() -> None:
    labels = torch.eye(2, dtype=torch.float64)
    losses = labelled_contrast(seeded(2, 4), seeded(2, 4), seeded(2, 4), torch.tensor([0, 1]), labels)
    assert float(losses.background) == 0


def test_backgrounds_of_mixed_patches_are_pushed_from_their_class_only() -> None:
    axes, labels = torch.eye(3), torch.ones(1, 2)
    own, other, far = (
        float(labelled_contrast(axes[:1], axes[i : i + 1], axes[:2], torch.tensor([0]), labels).background)
        for i in range(3)
    )
    assert own > 10
    assert other == far == pytest.approx(math.log(2)), "not pulled to the other class"


def test_gradient_reaches_both_ends_of_a_pair() -> None:
    regions = seeded(3, 4).requires_grad_()
    labels = torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64)
    classes = torch.tensor([0, 1, 0])

    def loss(fg: torch.Tensor, bg: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
        parts = labelled_contrast(fg, bg, prototypes, classes, labels, temperature=0.5)
        return parts.foreground + parts.background

    background, prototypes = seeded(3, 4, seed=1).requires_grad_(), seeded(2, 4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(loss, (regions, background, prototypes))


def test_the_bank_remembers_labels() -> None:
    contrast = LabelledContrast(4, 2, size=8)
    prototypes, one = torch.eye(4)[:2], torch.tensor([0])
    pure = torch.tensor([[1.0, 0.0]])
    first = contrast(torch.eye(4)[2:3], torch.eye(4)[3:], prototypes, one, pure)
    assert len(contrast.bank) == 1
    torch.testing.assert_close(contrast.bank.kept_labels(), pure)
    again = contrast(torch.eye(4)[2:3], torch.eye(4)[3:], prototypes, one, pure)
    assert float(again) == pytest.approx(float(first)), "a region of the same class is no negative"
    other = contrast.eval()(torch.eye(4)[2:3], torch.eye(4)[3:], prototypes, 1 - one, 1 - pure)
    assert float(other) > float(first), "but it is one of another class's region"
    assert len(contrast.bank) == 2
