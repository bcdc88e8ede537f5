from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.refinement.dense_crf import splines


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("s", [1, 2, 5, 8])
def test_splines_sum_to_one(s, degree):
    np.testing.assert_allclose(splines.cell_weights(s, degree).sum(0), 1)
    np.testing.assert_allclose(splines.plane_weights(s, degree).sum(0), 1)


@pytest.mark.parametrize(
    ("s", "degree", "sigma", "bound"),
    [(5, 2, 10.0, 2e-3), (6, 1, 10.0, 2e-2), (7, 1, 10.0, 3e-2), (1, 2, 0.7, 1e-6)],
)
def test_operator_approximates_the_gaussian(s, degree, sigma, bound):
    cells = 30
    n = cells * s
    weights = np.zeros((n, cells + degree))
    for cell in range(cells):
        weights[cell * s : (cell + 1) * s, cell : cell + degree + 1] = splines.cell_weights(s, degree).T
    kernel = splines.node_kernel(cells, s, sigma, degree)
    x = np.arange(n)
    gauss = np.exp(-0.5 * ((x[:, None] - x) / sigma) ** 2)
    error = weights @ kernel @ weights.T - gauss
    assert np.linalg.norm(error) / np.linalg.norm(gauss) < bound
    assert np.linalg.eigvalsh(error + gauss)[0] > -1e-6


def test_blocks_equal_the_whole():
    blur = splines.AxisBlur(200, 5, 10.0, 2, torch.float32, torch.device("cpu"))
    assert len(blur.blocks) > 1
    nodes = torch.rand(3, 202, 4, generator=torch.Generator().manual_seed(0))
    kernel = torch.tensor(splines.node_kernel(200, 5, 10.0, 2), dtype=torch.float32)
    torch.testing.assert_close(blur(nodes, map), kernel @ nodes, atol=1e-4, rtol=1e-4)


def test_plane_of_a_batch():
    blur = splines.PlaneBlur((9, 12, 5), 10.0, 1, torch.float32, torch.device("cpu"))
    nodes = torch.rand(2, 10, 13, 3, generator=torch.Generator().manual_seed(0))
    y = torch.tensor(splines.node_kernel(9, 5, 10.0, 1), dtype=torch.float32)
    x = torch.tensor(splines.node_kernel(12, 5, 10.0, 1), dtype=torch.float32)
    expected = torch.einsum("ij,bjkc,kl->bilc", y, nodes, x)
    torch.testing.assert_close(blur(nodes, map), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(blur(nodes[:1], map), expected[:1], atol=1e-4, rtol=1e-4)
