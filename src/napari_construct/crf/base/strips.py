"""Strips of an image worked on side by side.

torch splits every operation over its threads and waits for all of them after each. The operations here
are small and many, so that on a busy computer the waiting costs more than the work. Instead each
thread takes a whole strip through all its operations, one thread an operation. The cut into strips
depends on the image only and partial results are added in the order of the strips, so that no number
depends on how many threads there are.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import pairwise
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, TypeVar, cast, runtime_checkable

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

STRIP_PIXELS = 48 * 1024
"""About so many pixels a strip: its intermediate products stay in a processor's cache."""


@runtime_checkable
class Map(Protocol):
    """The built-in ``map`` of one argument, possibly on several threads."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]: ...


def cut(rows: int, row_pixels: int, device: torch.device) -> list[slice]:
    """Rows of cells in strips: one on an accelerator, an even number on a processor."""
    if device.type != "cpu":
        return [slice(0, rows)]
    pairs = max(1, round(rows * row_pixels / STRIP_PIXELS / 2))
    count = min(2 * pairs, rows)
    # rounded up: the first strip is the caller's, who begins before the others have woken
    edges = [-(-rows * i // count) for i in range(count + 1)]
    return [slice(*ends) for ends in pairwise(edges)]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread an operation while it lasts: also for small work between the strips.

    Threads of OpenMP spin for milliseconds after they have helped, in the way of those that work on strips.
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def workers(device: torch.device) -> Iterator[Map]:
    """Provide a ``map`` that uses as many threads as torch does, one thread an operation."""
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield map
        return
    with one_thread():
        yield _team(threads).map


class _Helper:
    """A thread that waits for work; to wake one through a pool of futures takes several times as long."""

    def __init__(self, name: str) -> None:
        self.given: SimpleQueue[tuple[Callable[[], None], SimpleQueue[BaseException | None]]] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        torch.set_num_threads(1)
        while True:
            work, ends = self.given.get()
            error = None
            try:
                work()
            except BaseException as raised:  # noqa: BLE001 - the thread that waits raises it
                error = raised
            del work  # and what it holds
            ends.put(error)
            del ends, error


class _Team:
    """Threads, the caller's the first, that each take the same items every time, then what others left.

    What a thread has worked on is in its processor's cache, so a strip stays with its thread; only where
    a thread is held up by other programs do the others take over.
    """

    def __init__(self, threads: int) -> None:
        self.helpers = [_Helper(f"dense-crf-{i}") for i in range(1, threads)]

    def map(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        given = list(items)
        results: list[Result | None] = [None] * len(given)
        count = len(self.helpers) + 1
        cuts = [len(given) * i // count for i in range(count + 1)]
        shares = [deque(range(*ends)) for ends in pairwise(cuts)]

        def work(own: int) -> None:
            others = [share.pop for i, share in enumerate(shares) if i != own]
            for take in (shares[own].popleft, *others):
                while (index := _taken(take)) is not None:
                    results[index] = function(given[index])

        ends: SimpleQueue[BaseException | None] = SimpleQueue()
        helping = [own for own in range(1, count) if shares[own]]
        for own in helping:
            self.helpers[own - 1].given.put((partial(work, own), ends))
        try:
            work(0)
        finally:
            errors = [ends.get() for _ in helping]
        for error in errors:
            if error is not None:
                raise error
        return iter(cast("list[Result]", results))


def _taken(take: Callable[[], int]) -> int | None:
    """An item, or None where there is none left; every item comes up once."""
    try:
        return take()
    except IndexError:
        return None


@lru_cache(maxsize=1)
def _team(threads: int) -> _Team:
    """Threads that stay: new ones would have to fill their caches and scratch memory again."""
    return _Team(threads)


if hasattr(os, "register_at_fork"):  # threads do not survive a fork, the object would
    os.register_at_fork(after_in_child=_team.cache_clear)
