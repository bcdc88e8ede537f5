"""Appearance: stain swaps move moments, grey takes colour, focus blurs and sharpens."""

from __future__ import annotations

import torch

from napari_construct.training.views.appearance import DARKEST, change_focus, mix_grey, swap_stain


def density(images: torch.Tensor) -> torch.Tensor:
    return -(images * (1 - DARKEST) + DARKEST).log()


def images() -> torch.Tensor:
    torch.manual_seed(0)
    dark, pale = torch.rand(1, 3, 64, 64) * 0.2 + 0.3, torch.rand(1, 3, 64, 64) * 0.1 + 0.7
    return torch.cat([dark, pale])


def test_a_full_swap_gives_the_partners_moments() -> None:
    x = images()
    swapped = density(swap_stain(x, torch.tensor([1, 0]), torch.ones(2, 1, 1, 1)))
    wanted = density(x)[[1, 0]]
    torch.testing.assert_close(swapped.mean((2, 3)), wanted.mean((2, 3)), atol=2e-2, rtol=0)
    torch.testing.assert_close(swapped.std((2, 3)), wanted.std((2, 3)), atol=2e-2, rtol=0)


def test_nothing_changes_by_amount_zero() -> None:
    x, zero = images(), torch.zeros(2, 1, 1, 1)
    torch.testing.assert_close(swap_stain(x, torch.tensor([1, 0]), zero), x)
    torch.testing.assert_close(mix_grey(x, zero), x)
    torch.testing.assert_close(change_focus(x, zero, torch.tensor([True, False])), x)


def test_grey_has_equal_channels() -> None:
    grey = mix_grey(images(), torch.ones(2, 1, 1, 1))
    torch.testing.assert_close(grey[:, 0], grey[:, 1])
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


def test_focus_changes_contrast_both_ways() -> None:
    x, twice = images(), torch.tensor([False, True])
    blurred = change_focus(x, torch.ones(2, 1, 1, 1), twice).std((1, 2, 3))
    sharper = change_focus(x, -torch.ones(2, 1, 1, 1) * 0.5, twice).std((1, 2, 3))
    plain = x.std((1, 2, 3))
    assert bool((blurred < plain).all())
    assert bool((sharper > plain).all())
