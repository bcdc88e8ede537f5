"""Jobs, and what is said of many images alike."""

from __future__ import annotations

import pytest

from napari_construct.events import Event, Notice, as_part, forward, of_image, run


def _job(closed: list[bool]):
    try:
        yield Event("tiles", 0, 2)
        yield Notice("tiles", 1, 2, "a.png: the alpha channel is dropped")
        return "result"
    finally:
        closed.append(True)


def test_notices_of_a_job_get_their_image_and_all_else_passes() -> None:
    events, closed = [], []
    assert run(of_image(_job(closed), "a"), events.append) == "result"
    assert events[0] == Event("tiles", 0, 2)
    assert events[1] == Notice("tiles", 1, 2, "a.png: the alpha channel is dropped", image="a")
    assert closed == [True]
    steps = of_image(_job(closed), "a")
    next(steps)
    steps.close()
    assert closed == [True, True]


def test_a_forwarded_job_yields_what_each_event_becomes_and_closes_with_it() -> None:
    events, closed = [], []
    kept = forward(_job(closed), lambda event: () if isinstance(event, Notice) else (event, event))
    assert run(kept, events.append) == "result"
    assert events == [Event("tiles", 0, 2)] * 2

    def refuse(event: Event) -> tuple[Event]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(forward(_job(closed), refuse))
    assert closed == [True, True]


def test_a_job_is_closed_when_its_listener_fails() -> None:
    closed: list[bool] = []

    def refuse(event: Event) -> None:
        raise KeyboardInterrupt

    steps = _job(closed)
    with pytest.raises(KeyboardInterrupt):
        run(steps, refuse)
    assert closed == [True]


def test_a_part_of_a_larger_job_yields_the_larger_jobs_event() -> None:
    events: list[Event] = []
    whole = Event("images", 1, 7, "a")
    assert run(as_part(_job([]), whole), events.append) == "result"
    assert events == [whole, whole]
