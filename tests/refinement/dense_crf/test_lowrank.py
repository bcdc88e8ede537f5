"""The low-rank backend against the exact one, its invariances, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.events import run as finished
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.refinement.dense_crf import CRFParameters, Factorisation, dense_crf
from napari_construct.refinement.dense_crf.colours import fit_colours
from napari_construct.refinement.dense_crf.exact import exact_mean_field
from napari_construct.refinement.dense_crf.factorisation import accuracy_of
from napari_construct.refinement.dense_crf.lattice import Lattice, from_cells, to_cells
from napari_construct.refinement.dense_crf.meanfield import differentiable_mean_field, mean_field_steps

SIGMAS = [
    {},
    {"smoothness_sigma": 3.0, "appearance_sigma_xy": 12.0, "appearance_sigma_rgb": 13.0},
    {"smoothness_sigma": 1.0, "appearance_sigma_xy": 1.5, "smoothness_weight": 3.0, "appearance_weight": 5.0},
    {"smoothness_sigma": 40.0, "appearance_sigma_xy": 60.0},
    {"appearance_weight": 0.0},
    {"smoothness_weight": 0.0},
    {"appearance_weight": 0.0, "smoothness_weight": 0.0},
    {"iterations": 0},
    {"iterations": 12},
]


@pytest.mark.parametrize("changes", SIGMAS, ids=str)
def test_close_to_exact(small, changes):
    image, p = small
    parameters = CRFParameters(**changes)
    exact = dense_crf(image, p, parameters, backend="exact")
    lowrank = dense_crf(image, p, parameters, backend="lowrank")
    assert (lowrank.labels == exact.labels).mean() >= 0.995
    assert np.abs(lowrank.probabilities - exact.probabilities).mean() <= 1e-3
    np.testing.assert_allclose(lowrank.probabilities.sum(0), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("smoothness", "space", "colour"),
    [(5, 8, 15), (2, 4, 10), (25, 40, 30), (15, 60, 6)],
)
@pytest.mark.parametrize("accuracy", ["fine", "medium", "fast"])
def test_other_sigmas_on_a_larger_image(tissue, probabilities, smoothness, space, colour, accuracy):
    """Larger than the reach of the kernels, and several cells and blocks of every blur."""
    image, p = (np.ascontiguousarray(a) for a in (tissue[100:172, 60:140], probabilities[:, 100:172, 60:140]))
    sigmas = {"smoothness_sigma": smoothness, "appearance_sigma_xy": space, "appearance_sigma_rgb": colour}
    parameters = CRFParameters(**sigmas)
    exact = dense_crf(image, p, parameters, backend="exact")
    lowrank = dense_crf(image, p, parameters, backend="lowrank", accuracy=accuracy)
    assert (lowrank.labels == exact.labels).mean() >= 0.995
    bound = 2e-3 if accuracy == "fast" else 1e-3
    assert np.abs(lowrank.probabilities - exact.probabilities).mean() <= bound


@pytest.mark.parametrize("accuracy", ["fine", "medium", "fast"])
@pytest.mark.parametrize("twins", [(1, 3), (0, 2, 4)], ids=str)
def test_labels_alike_stay_alike(tissue, probabilities, accuracy, twins):
    p = probabilities[:, :96, :96].copy()
    p[list(twins)] = p[list(twins)].mean(0)
    refined = dense_crf(tissue[:96, :96].copy(), p, backend="lowrank", accuracy=accuracy).probabilities
    for other in twins[1:]:
        np.testing.assert_allclose(refined[other], refined[twins[0]], atol=1e-5)


@pytest.mark.parametrize("accuracy", ["fine", "medium", "fast"])
def test_blank_glass_with_nearly_equal_labels(accuracy):
    """An unstable balance: every iteration makes differences about ten times as large."""
    rng = np.random.default_rng(0)
    image = rng.integers(239, 243, (40, 40, 3)).astype(np.uint8)
    p = np.full((5, 40, 40), 0.20006, np.float32)
    p[[1, 4]] = 0.19991
    steps = exact_mean_field(
        torch.from_numpy(image)[None], torch.from_numpy(p)[None].double(), CRFParameters()
    )
    exact = finished(steps)[0].numpy()
    assert exact[0].mean() > 0.3
    refined = dense_crf(image, p, backend="lowrank", accuracy=accuracy)
    assert np.abs(refined.probabilities - exact).mean() <= 1e-3
    assert not np.isin(refined.labels, [1, 4]).any()


@pytest.mark.parametrize("name", ["ihc", "camelyon"])
def test_bar_on_golden_numbers(shared, name):
    with np.load(shared / "parity" / "dense_crf_exact.npz") as z:
        image, p, exact = (z[f"{name}_{part}"] for part in ("image", "probabilities", "exact"))
    refined = dense_crf(image, p)
    assert refined.backend == "lowrank"
    assert refined.rank is not None
    assert (refined.labels == exact.argmax(0)).mean() >= 0.998
    assert np.abs(refined.probabilities - exact).mean() <= 3e-4


def test_auto_goes_by_the_size() -> None:
    sides = {200: "fine", 201: "medium", 320: "medium", 321: "fast"}
    assert {side: accuracy_of("auto", side * side) for side in sides} == sides
    assert accuracy_of("fine", 4096 * 4096) == "fine"


def test_fast_is_close_to_fine(tissue, probabilities):
    fine = dense_crf(tissue, probabilities, accuracy="fine")
    fast = dense_crf(tissue, probabilities, accuracy="fast")
    assert (fine.labels == fast.labels).mean() >= 0.995
    assert np.abs(fine.probabilities - fast.probabilities).mean() <= 1.5e-3
    assert fast.rank < fine.rank
    assert fast.error_bound > fine.error_bound > 0


def test_smaller_tolerance_smaller_error(small):
    image, p = small
    errors = []
    exact = dense_crf(image, p, backend="exact").probabilities
    for accuracy in ("fast", "medium", "fine"):
        lowrank = dense_crf(image, p, backend="lowrank", accuracy=accuracy).probabilities
        errors.append(np.abs(lowrank - exact).mean())
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize("accuracy", ["fine", "medium", "fast"])
def test_no_number_depends_on_batch_or_order_of_labels(tissue, probabilities, accuracy):
    alone = dense_crf(tissue, probabilities, accuracy=accuracy).probabilities
    images = np.stack([tissue[::-1], tissue, 255 - tissue])
    batch = dense_crf(
        images, np.stack([probabilities[:, ::-1], probabilities, probabilities]), accuracy=accuracy
    )
    np.testing.assert_array_equal(batch.probabilities[1], alone)
    assert batch.labels.shape == (3, 256, 256)
    order = [3, 0, 4, 1, 2]
    shuffled = dense_crf(tissue, np.ascontiguousarray(probabilities[order]), accuracy=accuracy)
    np.testing.assert_array_equal(shuffled.probabilities, alone[order])


@pytest.mark.parametrize("accuracy", ["fine", "fast"])
def test_no_number_depends_on_threads(tissue, probabilities, accuracy):
    before = torch.get_num_threads()
    done = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            done.append(dense_crf(tissue, probabilities, accuracy=accuracy).probabilities)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(done[1], done[0], atol=1e-5)
    np.testing.assert_allclose(done[2], done[0], atol=1e-5)


def test_mirrored_image_gives_mirrored_result(tissue, probabilities):
    plain = dense_crf(tissue, probabilities, accuracy="fine").probabilities
    mirrored = dense_crf(
        tissue[:, ::-1].copy(), probabilities[:, :, ::-1].copy(), accuracy="fine"
    ).probabilities
    assert np.abs(mirrored[:, :, ::-1] - plain).mean() < 3e-4


def test_factorisation_is_reused(tissue, probabilities):
    made = Factorisation(tissue)
    weaker = CRFParameters(smoothness_weight=5, appearance_weight=7, iterations=3)
    for parameters in (CRFParameters(), weaker):
        one = made.refine(probabilities, parameters)
        two = dense_crf(tissue, probabilities, parameters)
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
    with pytest.raises(ConfigurationError, match="appearance_sigma_rgb"):
        made.refine(probabilities, CRFParameters(appearance_sigma_rgb=9))
    with pytest.raises(InputError, match="new Factorisation"):
        made.refine(probabilities[:, :-1])
    with pytest.raises(InputError, match="new Factorisation"):
        made.refine(probabilities[None])


def test_tensors_in_tensors_out(small):
    image, p = small
    refined = dense_crf(torch.from_numpy(image), torch.from_numpy(p), backend="lowrank")
    assert isinstance(refined.probabilities, torch.Tensor)
    assert refined.labels.dtype == torch.uint8
    plain = dense_crf(image, p, backend="lowrank")
    np.testing.assert_array_equal(refined.probabilities, plain.probabilities)


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


def test_messages_are_a_symmetric_operator(small):
    lattice = Factorisation(small[0], accuracy="fine").lattices[0]
    generator = torch.Generator().manual_seed(0)
    u, v = (torch.rand(1, lattice.ny, lattice.nx, 2, lattice.p, generator=generator) for _ in range(2))
    u, v = u * lattice.inside, v * lattice.inside
    for i in range(2):
        assert float((u * lattice.messages(v)[i]).sum()) == pytest.approx(
            float((v * lattice.messages(u)[i]).sum()), rel=1e-4
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


def test_cells_there_and_back():
    planes = torch.arange(2 * 3 * 11 * 13, dtype=torch.float32).reshape(2, 3, 11, 13)
    cells = to_cells(planes, 4)
    assert cells.shape == (2, 3, 4, 3, 16)
    torch.testing.assert_close(from_cells(cells, 4, 11, 13), planes)
