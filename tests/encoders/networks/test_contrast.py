"""Local contrast against sums written out."""

from __future__ import annotations

import torch
from scipy import ndimage
from torch import Tensor

from napari_construct.encoders.networks.contrast import RADIUS, LocalContrast, optical_density


def _mean(x: Tensor) -> Tensor:
    """Two boxes, each along rows and columns; beyond the border are the border's pixels."""
    out = x.numpy()
    for _ in range(2):
        for axis in (-1, -2):
            out = ndimage.uniform_filter1d(out, 2 * RADIUS + 1, axis=axis, mode="nearest")
    return torch.from_numpy(out)


def test_statistics_are_those_of_two_boxes_around_each_pixel() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 40, 130)  # one side is shorter than the box
    density = -(image.double() * 0.98 + 0.02).log()
    centred = density - _mean(density)
    expected = centred / (_mean(centred.square().mean(1, keepdim=True)) + 0.01).sqrt()
    found = LocalContrast()(image)
    assert found.is_contiguous()
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_optical_density_leaves_the_image_as_it_is() -> None:
    image = torch.tensor([-0.5, 0.0, 0.5, 1.0, 2.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5).contiguous()
    before = image.clone()
    density = optical_density(image)[0, 0, 0]
    assert image.equal(before)
    torch.testing.assert_close(density, -torch.tensor([0.02, 0.02, 0.51, 1.0, 1.0]).log())
