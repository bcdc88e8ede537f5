from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.mark.usefixtures("needs_numba")
def test_functions_of_vectors():
    import numba

    from napari_construct.crf.kernels.functions import exp, log
    from napari_construct.crf.kernels.vectors import load, store

    def run(x, exps, logs, shorts):
        for i in range(0, x.size, 8):
            store(exps, i, exp(load(x, i)))
            store(logs, i, log(load(exps, i)))
            store(shorts, i, load(x, i))

    x = -np.geomspace(1e-6, 80, 4096).astype(np.float32)
    exps, logs, shorts = np.empty_like(x), np.empty_like(x), np.empty(x.size, np.uint16)
    numba.njit(run)(x, exps, logs, shorts)
    np.testing.assert_allclose(exps, np.exp(x.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(logs, np.log(exps.astype(np.float64)), rtol=1e-6, atol=1e-6)
    expected = torch.from_numpy(x).to(torch.bfloat16).view(torch.uint16).numpy()
    np.testing.assert_array_equal(shorts, expected)
