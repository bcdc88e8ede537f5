from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf.lowrank import splines


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


@pytest.mark.parametrize(("degree", "s"), [(1, 6), (2, 5)])
def test_band_holds_the_kernel(degree, s):
    axis = splines.AxisBlur(200, s, 10.0, degree, torch.float32, torch.device("cpu"))
    assert len(axis.blocks) > 1
    for target, source in axis.blocks:
        outside = axis.kernel[target].clone()
        outside[:, source] = 0
        assert float(outside.abs().max()) < 1e-3 * float(axis.kernel.abs().max())
    assert [block.start for block, _ in axis.blocks[1:]] == [block.stop for block, _ in axis.blocks[:-1]]
