"""Remaining time from events, and how it is said."""

from __future__ import annotations

import pytest

from napari_construct.events import Event
from napari_construct.widgets.jobs.eta import Eta, in_words


def test_mean_time_of_the_finished_times_the_rest() -> None:
    now = [100.0]
    eta = Eta(lambda: now[0])
    assert eta.update(Event("tiles", 0, 10)) is None
    now[0] = 104.0
    assert eta.update(Event("tiles", 2, 10)) == pytest.approx(16.0)
    now[0] = 110.0
    assert eta.update(Event("tiles", 10, 10)) == 0
    assert eta.update(Event("refine", 0, 1)) is None  # a new stage knows nothing yet


def test_stage_that_starts_in_the_middle() -> None:
    now = [0.0]
    eta = Eta(lambda: now[0])
    assert eta.update(Event("tiles", 1, 5)) is None
    now[0] = 3.0
    assert eta.update(Event("tiles", 2, 5)) == pytest.approx(9.0)


def test_unknown_total() -> None:
    eta = Eta(lambda: 0.0)
    eta.update(Event("a", 0, 0))
    assert eta.update(Event("a", 3, 0)) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (200.0, "3 min 20 s"),
        (1200.0, "20 min"),
        (3700.0, "1 h 1 min"),
    ],
)
def test_in_words(seconds, words) -> None:
    assert in_words(seconds) == words
