"""The learning rate over a run."""

from __future__ import annotations

import pytest

from napari_construct.training.loop.weight_update import rate_factor
from napari_construct.training.randomness import epoch_order, generator, seed_of


def course(schedule: str, warm_up: float, total: int = 100) -> list[float]:
    return [rate_factor(step, total, schedule=schedule, warm_up=warm_up) for step in range(total)]


@pytest.mark.parametrize("schedule", ["polynomial", "cosine", "constant"])
def test_warm_up_rises_to_one(schedule: str) -> None:
    factors = course(schedule, 0.1)
    assert factors[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert all(0 <= f <= 1 for f in factors)


def test_decays() -> None:
    assert course("constant", 0.0) == [1.0] * 100
    assert course("polynomial", 0.0)[50] == pytest.approx(0.5**0.9)
    assert course("cosine", 0.0)[50] == pytest.approx(0.5)
    assert course("cosine", 0.0)[-1] < 1e-3
    for schedule in ("polynomial", "cosine"):
        factors = course(schedule, 0.0)
        assert factors == sorted(factors, reverse=True)


def test_randomness_is_a_function_of_seed_purpose_and_step() -> None:
    seeds = {seed_of(s, p, n) for s in (0, 1) for p in ("a", "b") for n in (0, 1)}
    assert len(seeds) == 8
    assert generator(0, "a", 3).initial_seed() == seed_of(0, "a", 3)
    assert sorted(epoch_order(0, 1, 10).tolist()) == list(range(10))
    assert epoch_order(0, 1, 10).tolist() != epoch_order(0, 2, 10).tolist()
