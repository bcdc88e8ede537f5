"""The compiled kernels against torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, Factorisation, dense_crf
from napari_construct.crf.lowrank import settings
from napari_construct.crf.lowrank.colours import fit_colours
from napari_construct.crf.lowrank.compiled_operator import CompiledOperator
from napari_construct.crf.lowrank.histogram import histogram
from napari_construct.crf.lowrank.landmarks import pivoted_cholesky


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features in float32 whatever the processor, so that torch rounds as little as the kernels do."""
    monkeypatch.setattr(settings, "_fast_bfloat16", lambda _device: False)


def compiled(made: Factorisation) -> bool:
    """Whether kernels do the work."""
    return all(isinstance(lattice.operator, CompiledOperator) for lattice in made.kernels)


@pytest.fixture
def both(without_numba) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Probabilities by the kernels and by torch."""

    def refine(
        image: np.ndarray, p: np.ndarray, parameters: CRFParameters | None = None, accuracy: str = "fast"
    ) -> tuple[np.ndarray, np.ndarray]:
        made = Factorisation(image, parameters, accuracy=accuracy)
        assert compiled(made)
        ours = made.refine(p)
        with without_numba():
            plain = Factorisation(image, parameters, accuracy=accuracy)
            assert not compiled(plain)
            theirs = plain.refine(p)
        # ours counts the first of equal ones, as torch's does
        np.testing.assert_array_equal(ours.labels, ours.probabilities.argmax(0))
        return ours.probabilities, theirs.probabilities

    return refine


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 9, 18])
def test_same_as_torch_for_few_and_many_labels(both, tissue, soft_classes, k):
    """On so small an image the band of the blur is all of it, so the two differ by rounding only."""
    image = np.ascontiguousarray(tissue[60:100, 30:74])
    ours, theirs = both(image, soft_classes(image, k))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    assert np.abs(ours - theirs).mean() < 2e-6


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 4), (6, 6), (37, 41)], ids=str)
def test_same_as_torch_for_odd_sizes(both, tissue, soft_classes, size):
    image = np.ascontiguousarray(tissue[60 : 60 + size[0], 30 : 30 + size[1]])
    ours, theirs = both(image, soft_classes(image, 3))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(
    "changes",
    [
        {"appearance_sigma_rgb": 60.0},
        {"appearance_sigma_rgb": 8.0},
        {"appearance_sigma_xy": 6.0, "smoothness_sigma": 5.0},
        {"appearance_sigma_xy": 60.0, "smoothness_sigma": 40.0},
        {"appearance_weight": 0.0},
        {"smoothness_weight": 0.0},
        {"iterations": 0},
        {"iterations": 1},
    ],
    ids=str,
)
def test_same_as_torch_for_ranks_cells_and_weights(both, tissue, soft_classes, changes):
    image = np.ascontiguousarray(tissue[60:100, 30:70])
    gentle = {"appearance_weight": 4.0, "smoothness_weight": 3.0} | changes
    ours, theirs = both(image, soft_classes(image), parameters=CRFParameters(**gentle))
    # of narrow kernels the image is wider than the band
    assert np.abs(ours - theirs).mean() < 2e-4
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("accuracy", ["medium", "fast"])
def test_close_to_torch_on_a_larger_image(both, tissue, probabilities, accuracy):
    """Several strips' worth of blocks and bands; where processors have bfloat16, torch rounds to it."""
    ours, theirs = both(tissue, probabilities, accuracy=accuracy)
    assert (ours.argmax(0) == theirs.argmax(0)).mean() > 0.998
    assert np.abs(ours - theirs).mean() < 5e-4


@pytest.mark.usefixtures("float32")
def test_messages_as_by_torch(without_numba, tissue):
    image = np.ascontiguousarray(tissue[60:100, 30:74])
    with without_numba():
        plain = Factorisation(image, accuracy="fast").kernels[0]
    lattice = Factorisation(image, accuracy="fast").kernels[0]
    torch.testing.assert_close(
        lattice.grid.features.square().sum(4), plain.grid.features.square().sum(4), atol=1e-5, rtol=0
    )
    grid = lattice.grid
    values = torch.rand(1, 3, grid.h, grid.w, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(lattice.messages(values), plain.messages(values), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    turned = values.to(memory_format=torch.channels_last)
    for ours, theirs in zip(lattice.messages(turned), lattice.messages(values), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_no_number_depends_on_threads(without_numba, tissue, probabilities):
    image, p = np.tile(tissue, (2, 1, 1)), np.tile(probabilities, (1, 2, 1))
    before, done = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            done.append(dense_crf(image, p, accuracy="medium").probabilities)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(done[1], done[0], atol=1e-5)
    np.testing.assert_allclose(done[2], done[0], atol=1e-5)


def test_features_as_by_torch(without_numba, tissue):
    image = torch.from_numpy(tissue)[None]
    fit = fit_colours(image, 20.0, 0.01, 63)
    sample = image.reshape(1, -1, 3)[:, :1003].float()
    for dtype, tolerance in ((torch.float32, 2e-5), (torch.bfloat16, 4e-3)):
        ours, missing = fit(sample, map, dtype)
        with without_numba():
            theirs, their_missing = fit(sample, map, dtype)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.float(), theirs.float(), atol=tolerance, rtol=0)
        torch.testing.assert_close(missing, their_missing, atol=2e-5, rtol=0)


@pytest.mark.parametrize("setting", ["NUMBA_CPU_NAME=generic", "NUMBA_ENABLE_AVX=0"])
def test_kernels_for_any_processor(without_numba, tissue, soft_classes, tmp_path, setting):
    """Without the instructions of this one: the same to rounding."""
    image, p = tissue[:60, :70].copy(), soft_classes(tissue[:60, :70].copy(), 3)
    np.savez(tmp_path / "given.npz", image=image, p=p)
    code = (
        "import sys, numpy as np; from napari_construct.crf import Factorisation; "
        "given = np.load(sys.argv[1]); made = Factorisation(given['image'], accuracy='fast'); "
        "assert type(made.kernels[0].operator).__name__ == 'CompiledOperator'; "
        "np.save(sys.argv[2], made.refine(given['p']).probabilities)"
    )
    files = [str(tmp_path / name) for name in ("given.npz", "done.npy")]
    subprocess.run(
        [sys.executable, "-c", code, *files], check=True, env=os.environ | dict([setting.split("=")])
    )
    ours = Factorisation(image, accuracy="fast").refine(p).probabilities
    assert np.abs(np.load(files[1]) - ours).mean() < 5e-5


def test_quadratic_splines_and_batches_on_one_lattice_stay_with_torch(tissue):
    assert not compiled(Factorisation(tissue, accuracy="fine"))


def test_landmarks_as_by_torch(without_numba, tissue):
    points, counts = histogram(torch.from_numpy(tissue)[None], torch.float64)
    ours, psi = pivoted_cholesky(points / 20, counts, 1e-2, 64)
    with without_numba():
        theirs, their_psi = pivoted_cholesky(points / 20, counts, 1e-2, 64)
    n = ours.shape[1]
    assert n > 8
    # torch looks only now and then whether it is done
    assert not their_psi[..., n:].any()
    torch.testing.assert_close(ours, theirs[:, :n])
    torch.testing.assert_close(psi, their_psi[..., :n], atol=1e-9, rtol=1e-7)
    few, _ = pivoted_cholesky(points / 20, counts, 1e-9, 5)
    assert few.shape == (1, 5)
