"""Threads that work on strips."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
import torch

from napari_construct.crf.base.strips import _Team, cut

CPU = torch.device("cpu")


def test_every_item_once_and_in_order():
    team, used = _Team(3), set()

    def square(item):
        used.add(threading.current_thread().name)
        time.sleep(0.002)
        return item * item

    for count in (0, 1, 2, 3, 10):
        assert list(team.map(square, range(count))) == [i * i for i in range(count)]
    assert used > {"dense-crf-1"}


def test_two_callers_share_a_team():
    team, results = _Team(2), {}

    def call(start):
        results[start] = [list(team.map(lambda i: i + start, range(50))) for _ in range(20)]

    callers = [threading.Thread(target=call, args=(start,)) for start in (0, 1000)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    for start in (0, 1000):
        assert results[start] == [[i + start for i in range(50)]] * 20


@pytest.mark.parametrize("bad", [0, 9])
def test_an_error_comes_back_and_the_team_goes_on(bad):
    team = _Team(2)

    def check(item):
        if item == bad:
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match=f"item {bad}"):
        team.map(check, range(10))
    assert list(team.map(str, range(3))) == ["0", "1", "2"]


def test_nothing_is_held_after_the_work():
    class Large:
        pass

    team, given = _Team(2), Large()
    gone = weakref.ref(given)
    list(team.map(lambda _i, held=given: held is None, range(4)))
    del given
    gc.collect()
    assert gone() is None


def test_strips_are_even_in_number_and_the_callers_are_the_larger():
    assert cut(45, 45 * 25, CPU) == [slice(0, 23), slice(23, 45)]
    assert cut(1, 1000, CPU) == [slice(0, 1)]
    rows = cut(400, 2000 * 5, CPU)
    assert len(rows) % 2 == 0
    assert [i for part in rows for i in range(400)[part]] == list(range(400))
