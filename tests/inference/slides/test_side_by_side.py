"""Threads that do parts of a job: in order, with one thread of torch each, and nothing of that stays."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch

from napari_construct.inference.slides.side_by_side import Threads, one_threaded


def threads_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_threads_that_begin_later_have_the_usual_number() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_threaded(3) as pool:
            assert set(pool.map(lambda _: torch.get_num_threads(), range(9))) == {1}
            assert threads_of_a_new_thread() == 2
            pool.submit(torch.set_num_threads, 1).result()
        assert threads_of_a_new_thread() == torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_results_come_in_order_and_waiting_is_said() -> None:
    def job(_: Any, item: int) -> int:
        time.sleep(0.3 if item == 0 else 0)
        return item * item

    found = list(Threads(2).results(job, None, iter(range(5))))
    assert found[0] is None
    assert [one for one in found if one is not None] == [0, 1, 4, 9, 16]


def test_an_error_is_raised_and_what_has_not_begun_is_not_done() -> None:
    done = []

    def job(_: Any, item: int) -> int:
        if item == 1:
            raise ValueError("damaged")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="damaged"):
        list(Threads(2).results(job, None, iter(range(100))))
    assert len(done) < 10
