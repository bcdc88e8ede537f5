from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf.lowrank.colours import fit_colours
from napari_construct.crf.lowrank.histogram import distinct, histogram


def kernel(c: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.exp(-torch.cdist(c, c).square() / (2 * sigma**2))


def test_features_reproduce_the_kernel(tissue):
    image = torch.from_numpy(tissue)[None]
    fit = fit_colours(image, 20.0, 1e-3, 191)
    sample = image.reshape(-1, 3)[::97].float()
    phi = fit(sample[None], map)[0][0]
    error = kernel(sample, 20.0) - phi @ phi.T
    assert float(error.norm() / kernel(sample, 20.0).norm()) < 5e-3
    # what is left out is positive semi-definite
    assert float(torch.linalg.eigvalsh(error.double())[0]) > -1e-3


def test_rank_follows_the_tolerance(tissue):
    image = torch.from_numpy(tissue)[None]
    ranks = [fit_colours(image, 20.0, tolerance, 191).rank for tolerance in (0.1, 0.02, 0.003)]
    assert ranks[0] < ranks[1] < ranks[2]
    assert all((r + 1) % 8 == 0 for r in ranks)
    assert fit_colours(image, 20.0, 1e-6, 31).rank == 31


def test_one_colour_has_one_feature():
    fit = fit_colours(torch.full((1, 9, 9, 3), 130, dtype=torch.uint8), 20.0, 0.01, 63)
    phi = fit(torch.full((1, 1, 3), 130.0), map)[0][0]
    assert float((phi @ phi.T).item()) == pytest.approx(1, abs=1e-4)
    assert fit.errors == (0.0,)


def test_images_of_a_batch_do_not_meet(tissue):
    images = torch.from_numpy(np.stack([tissue, np.zeros_like(tissue), tissue[::-1]]))
    together = fit_colours(images, 20.0, 0.01, 63)
    sample = images[0].reshape(-1, 3)[::131].float()
    both = together(sample[None].expand(3, -1, -1), map)[0][0]
    alone = fit_colours(images[:1], 20.0, 0.01, 63)(sample[None], map)[0][0]
    exact = kernel(sample, 20.0)
    for phi in (both, alone):
        assert float((exact - phi @ phi.T).norm() / exact.norm()) < 0.03
    assert len(together.errors) == 3


def test_few_colours_get_fine_bins(tissue):
    """Grey images have 16 bins of 16 levels: too few landmarks for a kernel of 20."""
    grey = np.repeat(tissue[..., :1], 3, axis=2)
    fit = fit_colours(torch.from_numpy(grey)[None], 20.0, 1e-3, 191)
    sample = torch.from_numpy(grey).reshape(-1, 3)[::97].float()
    phi = fit(sample[None], map)[0][0]
    assert float((kernel(sample, 20.0) - phi @ phi.T).norm() / kernel(sample, 20.0).norm()) < 1e-3
    # beside a picture of many colours the bins stay the same
    both = torch.from_numpy(np.stack([grey, tissue]))
    points, counts = histogram(both, torch.float64)
    alone, _ = histogram(both[:1], torch.float64)
    torch.testing.assert_close(points[0][counts[0] > 0].sort(0)[0], alone[0].sort(0)[0])


def test_distinct_colours_cover_every_pixel(tissue):
    image = torch.from_numpy(tissue)[None]
    found, rows = distinct(image)
    assert len(found) == len(torch.unique(image.reshape(-1, 3), dim=0))
    torch.testing.assert_close(found[rows.long()], image.float(), atol=0, rtol=0)


@pytest.mark.parametrize(("kept", "least", "bits"), [(0xFF, 4, 4), (0xEF, 4, 5), (0x0F, 4, 6), (0xFF, 6, 6)])
def test_histogram_counts_every_pixel_once(tissue, kept, least, bits):
    """Many, fewer and few colours: bins of four, five and six bits."""
    image = tissue & np.uint8(kept)
    means, counts = histogram(torch.from_numpy(image)[None], torch.float64, least)
    _, inverse = np.unique(image.reshape(-1, 3) >> (8 - bits), axis=0, return_inverse=True)
    expected = np.bincount(inverse.ravel())
    np.testing.assert_array_equal(counts[0], expected)
    sums = [np.bincount(inverse.ravel(), image[..., c].ravel()) for c in range(3)]
    np.testing.assert_allclose(means[0], (np.stack(sums) / expected).T)
