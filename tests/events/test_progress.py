"""A job driven to its end: silently, with a callable, with bars."""

from __future__ import annotations

import pytest

from napari_construct.events import Event, Notice, run


def job(closed: list[bool]):
    try:
        yield Event("tiles", 0, 2)
        yield Notice("tiles", 1, 2, "the alpha channel is dropped")
        yield Event("tiles", 2, 2)
        return "result"
    finally:
        closed.append(True)


@pytest.mark.parametrize("progress", [None, False])
def test_silent(progress, capsys) -> None:
    assert run(job([]), progress) == "result"
    assert capsys.readouterr() == ("", "")


def test_a_callable_gets_each_event() -> None:
    events: list[Event] = []
    assert run(job([]), events.append) == "result"
    assert [event.done for event in events] == [0, 1, 2]


def test_true_says_notices_on_standard_error_and_leaves_standard_output_to_the_script(capsys) -> None:
    assert run(job([]), True) == "result"
    out, err = capsys.readouterr()
    assert out == ""
    assert "the alpha channel is dropped" in err


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopIteration])
def test_the_job_is_closed_when_the_callable_raises(error) -> None:
    closed: list[bool] = []

    def refuse(event: Event) -> None:
        raise error

    with pytest.raises(error):
        run(job(closed), refuse)
    assert closed == [True]
