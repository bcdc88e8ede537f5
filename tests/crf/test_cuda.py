"""The dense CRF on a graphics card beside the CPU's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.graphics_card import GraphicsCard

from napari_construct.crf import CRFParameters, Factorisation, dense_crf, fit_crf
from napari_construct.crf.warm_up import compile_steps

pytestmark = pytest.mark.cuda


def enlarged(tissue: np.ndarray, side: int) -> np.ndarray:
    """Mirrored to a larger square."""
    rows = -(-side // len(tissue))
    both = np.concatenate([tissue, tissue[:, ::-1]], 1)
    block = np.concatenate([both, both[::-1]])
    return np.ascontiguousarray(np.tile(block, (rows, rows, 1))[:side, :side])


@pytest.mark.parametrize("side", [128, 256, 768], ids=["fine", "medium", "fast"])
def test_close_to_the_cpus(card: GraphicsCard, tissue, soft_classes, side: int) -> None:
    image = enlarged(tissue, side)
    p = soft_classes(image)
    there, here = dense_crf(image, p, device=card.device), dense_crf(image, p)
    assert isinstance(there.probabilities, np.ndarray)
    assert (there.labels == here.labels).mean() >= 0.995
    assert np.abs(there.probabilities - here.probabilities).mean() <= 2e-3
    np.testing.assert_allclose(there.probabilities.sum(0), 1, atol=1e-4)


@pytest.mark.parametrize("backend", ["exact", "lowrank"])
def test_close_to_all_pairs(card: GraphicsCard, small, backend: str) -> None:
    exact = dense_crf(*small, backend="exact")
    there = dense_crf(*small, backend=backend, device=card.device)
    assert (there.labels == exact.labels).mean() >= 0.995
    assert np.abs(there.probabilities - exact.probabilities).mean() <= 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"smoothness_sigma": 3.0, "appearance_sigma_xy": 12.0, "appearance_sigma_rgb": 4.0},
        {"smoothness_sigma": 40.0, "appearance_sigma_xy": 60.0},
        {"appearance_weight": 0.0},
        {"iterations": 0},
    ],
    ids=str,
)
def test_other_parameters(card: GraphicsCard, tissue, probabilities, changes) -> None:
    parameters = CRFParameters(**changes)
    there, here = (dense_crf(tissue, probabilities, parameters, device=d) for d in (card.device, "cpu"))
    assert (there.labels == here.labels).mean() >= 0.995
    assert np.abs(there.probabilities - here.probabilities).mean() <= 2e-3


def test_a_batch_of_tensors_stays_on_the_card_and_equals_its_images(
    card: GraphicsCard, tissue, soft_classes
) -> None:
    images = np.stack([tissue[:160, :160], tissue[80:240, 60:220], tissue[96:, 96:]])
    p = np.stack([soft_classes(image) for image in images])
    together = dense_crf(torch.from_numpy(images).cuda(), torch.from_numpy(p).cuda())
    assert together.probabilities.device.type == "cuda"
    for image, given, refined in zip(images, p, together.probabilities, strict=True):
        alone = dense_crf(image, given, device=card.device).probabilities
        assert np.abs(refined.cpu().numpy() - alone).mean() <= 1e-3


def test_tiles_do_not_show(card: GraphicsCard, tissue, soft_classes) -> None:
    image = enlarged(tissue, 640)
    p = soft_classes(image)
    parameters = CRFParameters(smoothness_sigma=3, appearance_sigma_xy=12)
    whole, tiled = (dense_crf(image, p, parameters, tile=tile, device=card.device) for tile in (None, 320))
    assert (whole.labels == tiled.labels).mean() >= 0.995


def test_a_factorisation_is_used_again(card: GraphicsCard, tissue, probabilities) -> None:
    made = Factorisation(tissue, device=card.device)
    before = card.allocated()
    first, weaker = made.refine(probabilities), CRFParameters(appearance_weight=2.0)
    other = made.refine(probabilities, weaker)
    np.testing.assert_allclose(made.refine(probabilities).probabilities, first.probabilities, atol=1e-4)
    assert (other.labels != first.labels).any()
    assert (other.labels == dense_crf(tissue, probabilities, weaker).labels).mean() >= 0.995
    assert card.gave_back(before)


def test_gradients_are_the_cpus(card: GraphicsCard, small) -> None:
    image, p = small
    slopes = []
    for device in (torch.device("cpu"), card.device):
        given = torch.from_numpy(p).to(device).requires_grad_()
        refined = dense_crf(torch.from_numpy(image).to(device), given, backend="lowrank", accuracy="fine")
        (refined.probabilities[0] ** 2).sum().backward()
        slopes.append(given.grad.cpu())
    torch.testing.assert_close(slopes[1], slopes[0], rtol=2e-2, atol=2e-3)


def test_weights_are_learned_on_the_card(card: GraphicsCard, small) -> None:
    image, p = small
    mask = dense_crf(
        image, p, CRFParameters(smoothness_weight=2, appearance_weight=20), backend="exact"
    ).labels
    start = CRFParameters(smoothness_weight=1.0, appearance_weight=1.0)
    there = torch.from_numpy(image).cuda(), torch.from_numpy(p).cuda()
    fit = fit_crf([there[0]], [there[1]], [mask], start, steps=15)
    assert min(fit.losses) < 0.6 * fit.losses[0]


def test_nothing_is_compiled_for_a_card(card: GraphicsCard) -> None:
    assert list(compile_steps(1000 * 1000, card.device)) == []


def test_memory_of_a_refinement_is_given_back(card: GraphicsCard, tissue, soft_classes) -> None:
    image = enlarged(tissue, 768)
    p = soft_classes(image)
    dense_crf(image, p, device=card.device)
    before = card.allocated()
    dense_crf(image, p, device=card.device)
    assert card.gave_back(before)
