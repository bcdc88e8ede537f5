"""Jobs, and what is said of many images alike."""

from __future__ import annotations

import pytest

from napari_construct.events import Event, Notice, Notices, as_part, forward, of_image, run


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


def _said(message: str, image: str = "") -> Notice:
    return Notice("images", 0, 3, message, image=image)


def test_what_is_said_alike_is_told_once_with_how_many() -> None:
    notices = Notices()
    assert notices.add(_said("a.png: uint16 values up to 4093 are read", "a"))
    assert not notices.add(_said("b.png: uint16 values up to 812.5 are read", "b"))
    assert notices.add(_said("b.png: the alpha channel is dropped", "b"))
    assert not notices.add(_said("a.png: uint16 values up to 4093 are read", "a"))  # a second look
    assert notices.texts() == [
        "a.png: uint16 values up to 4093 are read (and 1 more image)",
        "b.png: the alpha channel is dropped",
    ]
    assert notices.repeated() == notices.texts()[:1]


def test_what_is_about_no_image_is_not_joined_with_others() -> None:
    notices = Notices()
    for message in ("left out: slide 1", "kept: slide 1", "left out: slide 2", "left out: slide 2"):
        assert notices.add(_said(message))
    assert notices.texts() == ["left out: slide 1", "kept: slide 1", "left out: slide 2"]
    assert notices.repeated() == []


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
