"""Convolutions with kernels of one pixel are torch's own, however many threads there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from napari_construct.encoders.networks.pointwise import PointwiseConv2d, pointwise


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(1, 6, 33, 20), (3, 6, 5, 1), (1, 6, 1, 1), (17, 6, 4, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_output_and_gradients_are_those_of_the_convolution(
    layout: torch.memory_format, shape: tuple[int, ...], bias: bool
) -> None:
    torch.manual_seed(0)
    own, theirs = PointwiseConv2d(6, 10, bias=bias), nn.Conv2d(6, 10, 1, bias=bias)
    theirs.load_state_dict(own.state_dict())
    inputs = torch.randn(shape).contiguous(memory_format=layout)
    found = []
    for layer in (own, theirs):
        x = inputs.clone(memory_format=torch.preserve_format).requires_grad_()
        y = layer(x)
        y.square().sum().backward()
        found.append((y.detach(), x.grad, *(p.grad for p in layer.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert found[0][0].stride() == found[1][0].stride() or 1 in shape


@pytest.mark.usefixtures("threads")
def test_no_pixel_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    seen = []
    conv2d = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *args: seen.append(x.data_ptr()) or conv2d(x, *args))
    pointwise(x, torch.randn(5, 4, 1, 1), None)
    assert seen == [x.data_ptr()]
