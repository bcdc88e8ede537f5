"""The operator and its gradients, and images side by side on one lattice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, Factorisation
from napari_construct.crf.lowrank.colours import fit_colours
from napari_construct.crf.lowrank.gradients import differentiable_mean_field
from napari_construct.crf.lowrank.lattice import Lattice
from napari_construct.crf.lowrank.meanfield import mean_field_steps
from napari_construct.events import run as finished


def test_differentiable_in_the_probabilities(small):
    image, p = (a[..., :24, :24] if a.shape[0] == 5 else a[:24, :24] for a in small)
    parameters = CRFParameters(smoothness_weight=2, appearance_weight=3, iterations=2)
    made = Factorisation(image, parameters, accuracy="fine")
    given = torch.from_numpy(p.copy())[None].requires_grad_()
    target = torch.randn(given.shape, generator=torch.Generator().manual_seed(0))
    refined, _ = finished(made.refine_tensor(given, parameters))
    fused, _ = finished(made.refine_tensor(given.detach(), parameters))
    torch.testing.assert_close(refined, fused, atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad((refined * target).sum(), given)
    direction = torch.randn(given.shape, generator=torch.Generator().manual_seed(1)) * given.detach() * 0.02
    with torch.no_grad():
        ahead = (finished(made.refine_tensor(given + direction, parameters))[0] * target).sum()
        behind = (finished(made.refine_tensor(given - direction, parameters))[0] * target).sum()
    expected = (ahead - behind) / 2
    assert float((gradient * direction).sum()) == pytest.approx(float(expected), rel=0.02)


@pytest.mark.parametrize("sigmas", [(15, 10), (15, 1.5), (2, 20)])
def test_messages_are_a_symmetric_operator(small, sigmas):
    parameters = CRFParameters(smoothness_sigma=sigmas[0], appearance_sigma_xy=sigmas[1])
    kernels = Factorisation(small[0], parameters, accuracy="fine").kernels[0]
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.rand(1, 2, *small[0].shape[:2], generator=generator) for _ in range(2))
    for i in range(2):
        assert float((u * kernels.messages(v)[i]).sum()) == pytest.approx(
            float((v * kernels.messages(u)[i]).sum()), rel=1e-4
        )


def lattice_of(images: torch.Tensor, max_rank: int, dtype: torch.dtype) -> Lattice:
    """Of the paper's kernels, with linear splines."""
    return Lattice(
        images,
        fit_colours(images, 20.0, 0.01, max_rank),
        sigma_xy=10.0,
        smoothness_sigma=15.0,
        spacing=0.6,
        degree=1,
        dtype=dtype,
        run=map,
    )


def test_gradcheck_in_probabilities_and_weights(small):
    """The whole mean field in float64: probabilities through a softmax, and both weights."""
    lattice = lattice_of(torch.from_numpy(small[0][:3, :4].copy())[None], 15, torch.float64)
    logits = torch.randn(1, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([2.0, 3.0], dtype=torch.float64)

    def refined(given: torch.Tensor, pair: torch.Tensor) -> torch.Tensor:
        return differentiable_mean_field(lattice, given.softmax(1), (pair[0], pair[1]), 2)

    assert torch.autograd.gradcheck(refined, (logits.requires_grad_(), weights.requires_grad_()), atol=1e-6)


def refined_on_one_lattice(images: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """As on an accelerator, where a batch has one lattice."""
    lattice = lattice_of(images, 63, torch.float32)
    return finished(mean_field_steps(lattice, probabilities, (30.0, 50.0), 5))[0]


def test_images_side_by_side_on_one_lattice(tissue):
    images = torch.from_numpy(np.stack([tissue[:61, :57], tissue[90:151, 100:157]]))
    logits = torch.randn(2, 3, 61, 57, generator=torch.Generator().manual_seed(0))
    probabilities = logits.softmax(1)
    both = refined_on_one_lattice(images, probabilities)
    for i in range(2):
        alone = refined_on_one_lattice(images[i : i + 1], probabilities[i : i + 1])
        torch.testing.assert_close(both[i], alone[0], atol=1e-3, rtol=0)
        assert float((both[i] - alone[0]).abs().mean()) < 5e-6
