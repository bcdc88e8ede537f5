"""Averages of weights and their batch statistics against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_construct.training.loop.averaging import WeightAverage, estimate_norms, kept_weights


def passed_through(values: list[float], decay: float | None = None) -> WeightAverage:
    parameter = nn.Parameter(torch.zeros(3))
    average = WeightAverage({"w": parameter}, decay)
    for value in values:
        parameter.data.fill_(value)
        average.update()
    return average


def test_a_plain_average_is_the_mean() -> None:
    average = passed_through([1.0, 2.0, 6.0])
    assert average.count == 3
    torch.testing.assert_close(average.mean["w"], torch.full((3,), 3.0))


def test_an_exponential_average_forgets_but_does_not_start_late() -> None:
    mean = 1.0
    for value in (5.0, 5.0, 5.0):
        mean = 0.5 * mean + 0.5 * value
    average = passed_through([1.0, 5.0, 5.0, 5.0], decay=0.5)
    torch.testing.assert_close(average.mean["w"], torch.full((3,), mean))
    torch.testing.assert_close(passed_through([3.0], decay=0.999).mean["w"], torch.full((3,), 3.0))


def test_its_state_goes_on_exactly() -> None:
    whole, half = passed_through([1.0, 2.0, 6.0, 8.0]), passed_through([1.0, 2.0])
    parameter = nn.Parameter(torch.zeros(3))
    resumed = WeightAverage({"w": parameter})
    resumed.restore(half.tensors())
    for value in (6.0, 8.0):
        parameter.data.fill_(value)
        resumed.update()
    torch.testing.assert_close(resumed.mean["w"], whole.mean["w"], rtol=0, atol=0)
    with pytest.raises(KeyError):
        WeightAverage({"other": parameter}).restore(half.tensors())


def test_batch_statistics_are_means_over_the_passes() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    batches = [torch.randn(8, 3, 5, 5) * (i + 1) for i in range(3)]
    events = list(estimate_norms(net, [lambda x=x: net(x) for x in batches]))
    assert [(e.done, e.total) for e in events] == [(1, 3), (2, 3), (3, 3)]
    inside = [net[0](x) for x in batches]
    mean = torch.stack([x.mean((0, 2, 3)) for x in inside]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in inside]).mean(0)
    torch.testing.assert_close(net[1].running_mean, mean)
    torch.testing.assert_close(net[1].running_var, variance)
    assert (net.training, net[1].momentum) == (False, 0.1)


def test_weights_come_back_even_after_an_error() -> None:
    net = nn.BatchNorm2d(2)
    before = {name: value.clone() for name, value in net.state_dict().items()}

    def spoil() -> None:
        with kept_weights({"net": net}):
            net(torch.randn(4, 2, 3, 3))
            net.weight.data.fill_(7)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        spoil()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
