"""The stepwise form: progress, cancelling, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters, Factorisation, dense_crf, dense_crf_steps
from napari_construct.events import Event
from napari_construct.exceptions import InputError


def drive(steps):
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"backend": "lowrank"}, 4),
        ({"backend": "lowrank", "tile": 32}, 4 * 4),
        ({"backend": "exact"}, 3),
        ({"backend": "pydensecrf"}, 3),
    ],
    ids=str,
)
def test_an_event_after_every_iteration(small, options, total):
    if options["backend"] == "pydensecrf":
        pytest.importorskip("pydensecrf.densecrf")
    parameters = CRFParameters(iterations=3)
    events, refined = drive(dense_crf_steps(*small, parameters, **options))
    first = 0 if "tile" in options else 1  # the colours of all tiles come before them
    assert events == [Event("dense CRF", i, total) for i in range(first, total + 1)]
    plain = dense_crf(*small, parameters, **options)
    np.testing.assert_array_equal(refined.probabilities, plain.probabilities)
    np.testing.assert_array_equal(refined.labels, plain.labels)


def test_steps_of_a_factorisation(small):
    made = Factorisation(small[0])
    events, refined = drive(made.refine_steps(small[1]))
    assert [(e.done, e.total) for e in events] == [(i + 1, 5) for i in range(5)]
    np.testing.assert_array_equal(refined.probabilities, made.refine(small[1]).probabilities)


def test_nothing_is_held_between_two_steps(small):
    """Neither the number of threads nor the recording of gradients changes for whoever waits."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        steps = dense_crf_steps(*small, backend="lowrank")
        for _ in range(3):
            next(steps)
            assert torch.get_num_threads() == 2
            assert torch.is_grad_enabled()
        steps.close()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_errors_come_with_the_first_step(small):
    steps = dense_crf_steps(small[0], small[1][:, :-1])
    with pytest.raises(InputError, match="one size"):
        next(steps)
