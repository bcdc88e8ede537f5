"""The compiled kernels against torch, and the package without numba."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import pytest
import torch

from napari_construct.refinement.dense_crf import (
    CRFParameters,
    Factorisation,
    colours,
    compiled,
    compiled_strip,
    dense_crf,
    factorisation,
    landmarks,
)
from napari_construct.refinement.dense_crf.compiled import load


def _numba() -> ModuleType:
    """Skip without it, and where it does not compile."""
    numba: ModuleType = pytest.importorskip("numba")
    if numba.config.DISABLE_JIT:
        pytest.skip("NUMBA_DISABLE_JIT is set")
    return numba


@contextmanager
def _without_numba() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        load.cache_clear()
        try:
            yield
        finally:
            load.cache_clear()


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features in float32 whatever the processor, so that torch rounds as little as the kernels do."""
    monkeypatch.setattr(factorisation, "_fast_bfloat16", lambda _device: False)


def both(image: np.ndarray, p: np.ndarray, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities by the kernels and by torch."""
    _numba()
    made = Factorisation(image, options.get("parameters"), accuracy=str(options.get("accuracy", "fast")))
    assert all(lattice.compiled for lattice in made.lattices)
    ours = made.refine(p)
    with _without_numba():
        plain = Factorisation(image, made.parameters, accuracy=str(options.get("accuracy", "fast")))
        assert not any(lattice.compiled for lattice in plain.lattices)
        theirs = plain.refine(p)
    # ours counts the first of equal ones, as torch's does
    np.testing.assert_array_equal(ours.labels, ours.probabilities.argmax(0))
    return ours.probabilities, theirs.probabilities


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 9, 18])
def test_same_as_torch_for_few_and_many_labels(tissue, soft_classes, k):
    """On so small an image the band of the blur is all of it, so the two differ by rounding only."""
    image = np.ascontiguousarray(tissue[60:100, 30:74])
    ours, theirs = both(image, soft_classes(image, k))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    assert np.abs(ours - theirs).mean() < 2e-6


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 4), (6, 6), (37, 41)], ids=str)
def test_same_as_torch_for_odd_sizes(tissue, soft_classes, size):
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
def test_same_as_torch_for_ranks_cells_and_weights(tissue, soft_classes, changes):
    image = np.ascontiguousarray(tissue[60:100, 30:70])
    gentle = {"appearance_weight": 4.0, "smoothness_weight": 3.0} | changes
    ours, theirs = both(image, soft_classes(image), parameters=CRFParameters(**gentle))
    # of narrow kernels the image is wider than the band
    assert np.abs(ours - theirs).mean() < 2e-4
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("accuracy", ["medium", "fast"])
def test_close_to_torch_on_a_larger_image(tissue, probabilities, accuracy):
    """Several strips' worth of blocks and bands; where processors have bfloat16, torch rounds to it."""
    ours, theirs = both(tissue, probabilities, accuracy=accuracy)
    assert (ours.argmax(0) == theirs.argmax(0)).mean() > 0.998
    assert np.abs(ours - theirs).mean() < 5e-4


@pytest.mark.usefixtures("float32")
def test_messages_as_by_torch(tissue):
    _numba()
    image = np.ascontiguousarray(tissue[60:100, 30:74])
    with _without_numba():
        plain = Factorisation(image, accuracy="fast").lattices[0]
    lattice = Factorisation(image, accuracy="fast").lattices[0]
    torch.testing.assert_close(
        lattice.features.square().sum(4), plain.features.square().sum(4), atol=1e-5, rtol=0
    )
    values = torch.rand(1, lattice.ny, lattice.nx, 3, lattice.p, generator=torch.Generator().manual_seed(0))
    for ours, theirs in zip(lattice.messages(values), plain.messages(values), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    turned = values.transpose(3, 4).contiguous().transpose(3, 4)
    for ours, theirs in zip(lattice.messages(turned), lattice.messages(values), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_no_number_depends_on_threads(tissue, probabilities):
    _numba()
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


def test_features_as_by_torch(tissue):
    _numba()
    image = torch.from_numpy(tissue)[None]
    fit = colours.fit_colours(image, 20.0, 0.01, 63)
    sample = image.reshape(1, -1, 3)[:, :1003].float()
    for dtype, tolerance in ((torch.float32, 2e-5), (torch.bfloat16, 4e-3)):
        ours, missing = fit(sample, map, dtype)
        with _without_numba():
            theirs, their_missing = fit(sample, map, dtype)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.float(), theirs.float(), atol=tolerance, rtol=0)
        torch.testing.assert_close(missing, their_missing, atol=2e-5, rtol=0)


def test_functions_of_vectors():
    numba = _numba()
    from napari_construct.refinement.dense_crf import functions
    from napari_construct.refinement.dense_crf.vectors import load as read
    from napari_construct.refinement.dense_crf.vectors import store

    exp, log = functions.exp, functions.log

    def run(x, exps, logs, shorts):
        for i in range(0, x.size, 8):
            store(exps, i, exp(read(x, i)))
            store(logs, i, log(read(exps, i)))
            store(shorts, i, read(x, i))

    x = -np.geomspace(1e-6, 80, 4096).astype(np.float32)
    exps, logs, shorts = np.empty_like(x), np.empty_like(x), np.empty(x.size, np.uint16)
    numba.njit(run)(x, exps, logs, shorts)
    np.testing.assert_allclose(exps, np.exp(x.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(logs, np.log(exps.astype(np.float64)), rtol=1e-6, atol=1e-6)
    expected = torch.from_numpy(x).to(torch.bfloat16).view(torch.uint16).numpy()
    np.testing.assert_array_equal(shorts, expected)


@pytest.mark.parametrize(("r", "k", "s"), [(16, 4, 5), (24, 1, 3), (40, 3, 6), (80, 6, 5), (48, 2, 9)])
def test_products_of_bfloat16_round_and_do_nothing_else(r, k, s):
    """A column brought to its rows of pixels, a slice and a splat of two cells, beside float32's."""
    numba = _numba()
    from napari_construct.refinement.dense_crf import cells, kernels, products, rounded_cells

    bring, slice_cell, splat_cell = kernels.bring, cells.slice_cell, cells.splat_cell
    bring_rounded, width = rounded_cells.bring_rounded, rounded_cells.rounded_width
    slice_rounded, splat_rounded = rounded_cells.slice_rounded_cell, rounded_cells.splat_rounded_cell
    multiplies = products.multiplies

    @numba.njit(error_model="numpy")
    def both_ways(nodes, features, splines, corners, values, sliced, splatted, s, k, r, plane):
        if not multiplies(features):
            return False
        p, n, wide = s * s, k * r, k * width(r)
        columns, short = np.empty(2 * s * n, np.float32), np.zeros(2 * s * wide, np.uint16)
        sums, room = np.empty(4 * p, np.float32), np.empty(16 * plane, np.uint16)
        for cx in range(2):
            bring(nodes, 0, cx, 1, s, n, splines, columns)
            bring_rounded(nodes, 0, cx, 1, s, k, r, splines, short)
        slice_cell(columns, 0, s * n, n, features, 0, s, k, r, splines, sliced, 0, plane, sums)
        at = k * plane
        slice_rounded(short, 0, s * wide, features, 0, s, k, r, splines, sliced, at, plane, sums)
        splat_cell(values, 0, plane, features, 0, s, k, r, splines, splatted, 0, 2 * n)
        rest = splatted[4 * n :]
        splat_rounded(values, plane, features, 0, s, k, r, corners, room, rest, 0, 2 * n)
        return True

    rng = np.random.default_rng(0)
    p, plane = s * s, compiled.rounded(s * s)
    nodes, numbers = (rng.standard_normal(size).astype(np.float32) for size in (4 * k * r, 2 * p * r))
    features = torch.from_numpy(numbers).to(torch.bfloat16).view(torch.uint16).numpy()
    values = rng.standard_normal(k * plane).astype(np.float32)
    splines = rng.random(2 * s).astype(np.float32)
    down, across = np.meshgrid(splines.reshape(s, 2), splines.reshape(s, 2), indexing="ij")
    corners = np.zeros((4, plane), np.float32)
    corners[:, :p] = (down * across).reshape(s, 2, s, 2).transpose(1, 3, 0, 2).reshape(4, p)
    sliced, splatted = np.zeros((2, k, plane), np.float32), np.zeros((2, 4 * k * r), np.float32)
    given = nodes, features, splines, corners.ravel(), values, sliced.ravel(), splatted.ravel()
    if not both_ways(*given, s, k, r, plane):
        pytest.skip("this processor does not multiply bfloat16")
    for exact, rounded in (sliced[:, :, :p], splatted):
        assert np.abs(exact).mean() > 0.5
        assert np.abs(rounded - exact).mean() < 4e-3 * np.abs(exact).mean()
        assert np.abs(rounded - exact).max() < 0.02 * np.abs(exact).max()


def test_rounding_changes_next_to_nothing(tissue, soft_classes, monkeypatch):
    """Messages are those of changes after the first iteration; before it nothing is rounded."""
    _numba()
    p = soft_classes(tissue, 5)
    made = Factorisation(tissue, accuracy="medium")
    once, more = CRFParameters(iterations=1), CRFParameters()
    rounded = [made.refine(p, parameters).probabilities for parameters in (once, more)]
    monkeypatch.setattr(compiled_strip, "ROUGH_FROM", 1000)
    exact = [made.refine(p, parameters).probabilities for parameters in (once, more)]
    np.testing.assert_array_equal(rounded[0], exact[0])
    assert np.abs(rounded[1] - exact[1]).mean() < 1e-4
    from napari_construct.refinement.dense_crf.llvm import PRODUCTS

    assert (rounded[1] != exact[1]).any() == (PRODUCTS and made.settings.dtype == torch.bfloat16)


@pytest.mark.parametrize("setting", ["NUMBA_CPU_NAME=generic", "NUMBA_ENABLE_AVX=0"])
def test_kernels_for_any_processor(tissue, soft_classes, tmp_path, setting):
    """Without the instructions of this one: the same to rounding."""
    _numba()
    image, p = tissue[:60, :70].copy(), soft_classes(tissue[:60, :70].copy(), 3)
    np.savez(tmp_path / "given.npz", image=image, p=p)
    code = (
        "import sys, numpy as np; from napari_construct.refinement.dense_crf import llvm, Factorisation; "
        "given = np.load(sys.argv[1]); made = Factorisation(given['image'], accuracy='fast'); "
        "assert made.lattices[0].compiled and not llvm.PRODUCTS; "
        "np.save(sys.argv[2], made.refine(given['p']).probabilities)"
    )
    files = [str(tmp_path / name) for name in ("given.npz", "done.npy")]
    subprocess.run(
        [sys.executable, "-c", code, *files], check=True, env=os.environ | dict([setting.split("=")])
    )
    ours = Factorisation(image, accuracy="fast").refine(p).probabilities
    assert np.abs(np.load(files[1]) - ours).mean() < 5e-5


def test_without_numba_torch_does_the_work(tissue, probabilities):
    with _without_numba():
        made = Factorisation(tissue, accuracy="medium")
        assert not made.lattices[0].compiled
        refined = made.refine(probabilities)
    np.testing.assert_allclose(refined.probabilities.sum(0), 1, atol=1e-5)


def test_without_compiling_torch_does_the_work(tissue, monkeypatch):
    numba = _numba()
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    load.cache_clear()
    try:
        assert not Factorisation(tissue[:40, :40].copy(), accuracy="fast").lattices[0].compiled
    finally:
        load.cache_clear()


def test_where_a_library_of_numba_does_not_load_torch_does_the_work(tissue, monkeypatch):
    _numba()

    def broken(_name):
        raise OSError("Could not load shared object file: libllvmlite.so")

    monkeypatch.setattr(compiled, "import_module", broken)
    load.cache_clear()
    try:
        assert not Factorisation(tissue[:40, :40].copy(), accuracy="fast").lattices[0].compiled
    finally:
        load.cache_clear()


def test_quadratic_splines_and_batches_on_one_lattice_stay_with_torch(tissue):
    assert not Factorisation(tissue, accuracy="fine").lattices[0].compiled


def test_no_place_to_keep_what_was_compiled(monkeypatch):
    numba = _numba()
    from napari_construct.refinement.dense_crf import caching

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(caching, "njit", njit)
    assert caching.entry(lambda x: x + 1)(2) == 3


def test_numba_is_not_imported_before_it_is_needed():
    code = (
        "import sys, napari_construct.refinement.dense_crf.inference; "
        "sys.exit('numba' in sys.modules or 'llvmlite' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("least", [4, 6])
@pytest.mark.parametrize("width", [1, 21, 255])
def test_histogram_as_by_torch(tissue, width, least):
    """Many, few and one colour: bins of four, five and six bits."""
    _numba()
    image = torch.from_numpy(tissue // width)[None]
    means, counts = colours._histogram(image, torch.float64, least)
    with _without_numba():
        by_torch = colours._histogram(image, torch.float64, least)
    assert float(counts.sum()) == image[..., 0].numel()
    torch.testing.assert_close((means, counts), by_torch, rtol=0, atol=0)


def test_landmarks_as_by_torch(tissue):
    _numba()
    points, counts = colours._histogram(torch.from_numpy(tissue)[None], torch.float64)
    ours, psi = landmarks.pivoted_cholesky(points / 20, counts, 1e-2, 64)
    theirs, their_psi = landmarks._one(points / 20, counts, 1e-2, 64)
    assert ours.shape[1] > 8
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(psi, their_psi, atol=1e-9, rtol=1e-7)
    few, _ = landmarks.pivoted_cholesky(points / 20, counts, 1e-9, 5)
    assert few.shape == (1, 5)
