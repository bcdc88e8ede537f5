"""Notices that several images share, and notices that are told once."""

from __future__ import annotations

from collections.abc import Iterator

from napari_construct.events import Event, Notice, Notices, Steps, merged, run, without


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


def _job(notices: list[Notice]) -> Steps[str]:
    for notice in notices:
        yield Event("images", 0, 3)
        yield notice
    return "result"


def _told(steps: Steps[str]) -> Iterator[str]:
    events: list[Event] = []
    assert run(steps, events.append) == "result"
    assert sum(type(event) is Event for event in events) == 4
    return (event.message for event in events if isinstance(event, Notice))


def test_a_job_says_nothing_twice_and_counts_images() -> None:
    job = _job(
        [_said("few patches"), _said("a: no size", "a"), _said("b: no size", "b"), _said("few patches")]
    )
    assert list(_told(merged(job))) == ["few patches", "a: no size (and 1 more image)"]


def test_what_is_told_elsewhere_is_left_out() -> None:
    job = _job([_said("few patches"), _said("a: no size", "a"), _said("b: no size", "b"), _said("done")])
    assert list(_told(without(job, lambda notice: bool(notice.image)))) == ["few patches", "done"]
