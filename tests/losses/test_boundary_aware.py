from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch

from napari_construct.losses.bce_dice import bce_dice
from napari_construct.losses.boundary_aware import (
    BoundaryAware,
    band,
    boundary_aware,
    boundary_map,
    boundary_targets,
)

HALF = np.zeros((8, 12), np.float32)
HALF[:, 6:] = 1


def test_band_is_the_formula_of_the_distance() -> None:
    weight = band(HALF, 4.0)
    expected = [math.cos(math.pi * d / 8) ** 2 if d < 4 else 0 for d in (5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5)]
    np.testing.assert_allclose(weight, np.tile(expected, (8, 1)), atol=1e-6)
    assert weight.dtype == np.float32


def test_band_is_half_at_half_of_the_width() -> None:
    assert band(HALF, 4.0)[0, 3] == pytest.approx(0.5, abs=1e-6)  # two pixels from the contour pixel at 5


def test_narrow_band_is_the_contour_and_a_wide_one_is_all() -> None:
    narrow = band(HALF, 1.0)
    assert set(np.flatnonzero(narrow[0])) == {5, 6}
    assert band(HALF, 1e6).min() == pytest.approx(1)


def test_no_contour_no_band() -> None:
    assert band(np.ones((5, 5)), 3.0).max() == 0  # the edge of the image is none
    assert band(np.full((5, 5), 0.2), 3.0).max() == 0


def test_touching_cells_have_a_contour_between_them() -> None:
    instances = np.zeros((8, 12), np.int32)
    instances[:, :6], instances[:, 6:] = 4, 9
    solid = np.ones((8, 12), np.float32)
    assert band(solid, 2.0).max() == 0
    assert set(np.flatnonzero(band(solid, 1.0, instances)[0])) == {5, 6}


def test_targets_of_probabilities_and_cells() -> None:
    foreground = np.array([[0.2, 0.5, 0.9, 0.8, 0.49]], np.float32).repeat(5, 0)
    instances = np.array([[0, 1, 1, 2, 0]], np.int32).repeat(5, 0)
    targets = boundary_targets(foreground, instances, None, 2.0)
    assert targets.foreground[0].tolist() == [False, True, True, True, False]
    assert targets.boundary[0].tolist() == [0, 1, 1, 1, 0]
    assert (targets.band == 1).all()  # each pixel has a neighbour of another kind
    given = np.full((5, 5), 0.3, np.float32)
    np.testing.assert_array_equal(boundary_targets(foreground, instances, given, 2.0).boundary, given)
    # without cells: the inner line of the foreground
    assert boundary_targets(foreground, None, None, 2.0).boundary[0].tolist() == [0, 1, 0, 1, 0]


def test_wrong_targets_are_named() -> None:
    with pytest.raises(ValueError, match=r"width above 0 pixels, got 0\.0"):
        band(HALF, 0.0)
    with pytest.raises(ValueError, match=r"expected instances of the foreground's shape \(8, 12\)"):
        boundary_targets(HALF, np.zeros((3, 3), int), None, 3.0)


def test_targets_of_a_large_image_take_no_time() -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(1, 1000, (32, 32)).repeat(32, 0).repeat(32, 1)
    start = time.process_time()
    boundary_targets(np.ones(cells.shape, np.float32), cells, None, 4.0)
    assert time.process_time() - start < 3  # about 0.2 s


def test_weights_decide_what_counts() -> None:
    z = torch.randn(1, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hard, weight = torch.from_numpy(HALF > 0.5)[None, None], torch.from_numpy(band(HALF, 3.0))[None, None]
    loss = boundary_aware(z, hard, weight)
    far = z.clone()
    far[..., :3] += 9  # outside of the band
    torch.testing.assert_close(boundary_aware(far, hard, weight), loss)
    near = z.clone()
    near[..., 5] += 9
    assert boundary_aware(near, hard, weight) > loss + 0.5
    torch.testing.assert_close(boundary_aware(z, hard, torch.ones_like(weight)), bce_dice(z, hard))
    assert boundary_aware(z, hard, torch.zeros_like(weight)).item() == 0


def test_closed_form_in_the_band() -> None:
    z = torch.tensor([math.log(3), 0.0, 5.0]).view(1, 1, 1, 3)
    target, weight = (
        torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 3),
        torch.tensor([1.0, 0.5, 0.0]).view(1, 1, 1, 3),
    )
    entropy = (-math.log(0.75) + 0.5 * math.log(2)) / 1.5
    dice = 1 - (2 * 0.75 + 1) / (0.75**2 + 1 + 0.5 * 0.25 + 1)
    assert boundary_aware(z, target, weight).item() == pytest.approx(entropy + dice)


def test_module_gives_both_parts() -> None:
    z, lines = torch.randn(2, 2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    hard, boundary = z > 0.3, (lines > 0).float()
    weight = torch.rand(2, 1, 4, 4)
    valid = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    valid[1] = False
    parts = BoundaryAware()(z, lines, hard, boundary, weight, valid)
    torch.testing.assert_close(parts.foreground, boundary_aware(z[:1], hard[:1], weight[:1]))
    torch.testing.assert_close(parts.boundary, boundary_map(lines[:1], boundary[:1]))


def test_gradcheck() -> None:
    z = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight, soft = torch.rand(2, 1, 3, 3, dtype=torch.float64), torch.rand(2, 1, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: boundary_aware(x, soft > 0.5, weight) + boundary_map(x, soft), (z.requires_grad_(),)
    )
