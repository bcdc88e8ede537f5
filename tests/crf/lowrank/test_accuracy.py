"""The low-rank backend against the exact one, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, dense_crf
from napari_construct.crf.reference.exact import exact_mean_field
from napari_construct.events import run as finished

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
def test_other_sigmas_on_a_larger_image(tissue, probabilities, smoothness, space, colour):
    """Larger than the reach of the kernels, and several cells and blocks of every blur."""
    image, p = (np.ascontiguousarray(a) for a in (tissue[100:172, 60:140], probabilities[:, 100:172, 60:140]))
    sigmas = {"smoothness_sigma": smoothness, "appearance_sigma_xy": space, "appearance_sigma_rgb": colour}
    parameters = CRFParameters(**sigmas)
    exact = dense_crf(image, p, parameters, backend="exact")
    for accuracy, bound in (("fine", 1e-3), ("medium", 1e-3), ("fast", 2e-3)):
        lowrank = dense_crf(image, p, parameters, backend="lowrank", accuracy=accuracy)
        assert (lowrank.labels == exact.labels).mean() >= 0.995, accuracy
        assert np.abs(lowrank.probabilities - exact.probabilities).mean() <= bound, accuracy


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


def test_tensors_in_tensors_out(small):
    image, p = small
    refined = dense_crf(torch.from_numpy(image), torch.from_numpy(p), backend="lowrank")
    assert isinstance(refined.probabilities, torch.Tensor)
    assert refined.labels.dtype == torch.uint8
    plain = dense_crf(image, p, backend="lowrank")
    np.testing.assert_array_equal(refined.probabilities, plain.probabilities)
