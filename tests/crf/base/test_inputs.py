"""Right results or clear errors for everything people pass in."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, dense_crf
from napari_construct.exceptions import ConfigurationError, InputError

BACKENDS = ["lowrank", "exact"]


def uniform(k: int, *shape: int) -> np.ndarray:
    return np.full((k, *shape), 1 / k, np.float32)


@pytest.mark.parametrize(
    ("image", "probabilities", "words"),
    [
        (np.zeros((8, 8, 3), np.float32), uniform(2, 8, 8), "uint8"),
        (np.zeros((8, 8, 3), np.uint16), uniform(2, 8, 8), "uint8"),
        (np.zeros((8, 8, 4), np.uint8), uniform(2, 8, 8), "alpha"),
        (np.zeros((8, 8), np.uint8), uniform(2, 8, 8), "grey"),
        (np.zeros((0, 8, 3), np.uint8), uniform(2, 0, 8), "with pixels"),
        (np.zeros((8, 8, 3), np.uint8), uniform(2, 8, 9), "one size"),
        (np.zeros((8, 8, 3), np.uint8), uniform(2, 8, 8)[None], "one size"),
        (np.zeros((2, 8, 8, 3), np.uint8), uniform(2, 8, 8), "one size"),
        (np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), np.nan, np.float32), "NaN"),
        (np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), np.inf, np.float32), "infinity"),
        (np.zeros((8, 8, 3), np.uint8), np.full((2, 8, 8), 0.7, np.float32), "sum to one"),
        (
            np.zeros((8, 8, 3), np.uint8),
            np.stack([np.full((8, 8), 1.5), np.full((8, 8), -0.5)]),
            "sum to one",
        ),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8), np.float32), "softmax"),
        (np.zeros((8, 8, 3), np.uint8), np.ones((1, 8, 8), np.int64), "floating"),
        (np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32), "shape"),
        (np.full((8, 8, 3), "a"), uniform(2, 8, 8), "numbers"),
    ],
)
def test_clear_errors(image, probabilities, words):
    with pytest.raises(InputError, match=words):
        dense_crf(image, probabilities)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_label(backend):
    refined = dense_crf(np.zeros((9, 11, 3), np.uint8), np.ones((1, 9, 11), np.float32), backend=backend)
    np.testing.assert_array_equal(refined.probabilities, 1)
    np.testing.assert_array_equal(refined.labels, 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3), (33, 5)])
def test_odd_sizes(backend, shape):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
    p = rng.dirichlet(np.ones(3), shape).astype(np.float32).transpose(2, 0, 1)
    refined = dense_crf(image, p, backend=backend)
    expected = dense_crf(image, p, backend="exact")
    assert refined.probabilities.shape == p.shape
    assert refined.labels.shape == shape
    np.testing.assert_allclose(refined.probabilities, expected.probabilities, atol=5e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_constant_image(backend):
    p = np.random.default_rng(0).dirichlet(np.ones(4), (30, 30)).astype(np.float32).transpose(2, 0, 1)
    p[0] += 0.5
    p /= p.sum(0)
    refined = dense_crf(np.full((30, 30, 3), 77, np.uint8), p, backend=backend)
    np.testing.assert_array_equal(refined.labels, 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("k", "dtype"), [(17, np.uint8), (256, np.uint8), (300, np.uint16)])
def test_many_labels(backend, k, dtype):
    winner = np.zeros((6, 8), np.intp)
    winner[:, 4:] = k - 1
    p = np.full((k, 6, 8), 0.1 / k, np.float32)
    np.put_along_axis(p, winner[None], 0.9, axis=0)
    p /= p.sum(0)
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 4:] = 200
    refined = dense_crf(image, p, CRFParameters(smoothness_weight=0.1), backend=backend)
    assert refined.labels.dtype == dtype
    np.testing.assert_array_equal(refined.labels, winner)


def test_other_layouts_of_the_same_numbers(small):
    image, p = small
    plain = dense_crf(image, p).probabilities
    padded = np.zeros((40, 48, 4), np.uint8)
    padded[..., :3] = image
    read_only = p.astype(np.float64)
    read_only.flags.writeable = False
    np.testing.assert_allclose(dense_crf(padded[..., :3], read_only).probabilities, plain, atol=1e-5)
    half = dense_crf(image, torch.from_numpy(p).half().float() / torch.from_numpy(p).half().float().sum(0))
    assert np.abs(half.probabilities.numpy() - plain).mean() < 5e-3


def test_inputs_stay_as_they_are(small):
    image, p = small[0].copy(), small[1].copy()
    dense_crf(image, p, backend="lowrank")
    np.testing.assert_array_equal(image, small[0])
    np.testing.assert_array_equal(p, small[1])


def test_unknown_names(small):
    with pytest.raises(ConfigurationError, match="backend"):
        dense_crf(*small, backend="magic")
    with pytest.raises(ConfigurationError, match="accuracy"):
        dense_crf(*small, accuracy="best")
    with pytest.raises(ConfigurationError, match="tile"):
        dense_crf(*small, tile=8)


def test_auto_takes_exact_for_the_smallest():
    refined = dense_crf(np.zeros((32, 32, 3), np.uint8), uniform(2, 32, 32))
    assert refined.backend == "exact"
    assert dense_crf(np.zeros((32, 33, 3), np.uint8), uniform(2, 32, 33)).backend == "lowrank"


def test_pydensecrf_agrees(small):
    pytest.importorskip("pydensecrf.densecrf")
    refined = dense_crf(*small, backend="pydensecrf")
    exact = dense_crf(*small, backend="exact")
    assert refined.backend == "pydensecrf"
    assert (refined.labels == exact.labels).mean() > 0.9
    one_kernel = CRFParameters(appearance_weight=0)
    assert dense_crf(*small, one_kernel, backend="pydensecrf").labels.shape == (40, 48)


def test_pydensecrf_absent_is_a_clear_error(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    with pytest.raises(ConfigurationError, match=r"pip install napari-construct\[pydensecrf\]"):
        dense_crf(*small, backend="pydensecrf")
