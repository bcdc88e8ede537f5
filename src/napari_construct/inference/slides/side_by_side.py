"""Parts of a job done side by side by threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Barrier
from typing import Any, Final

import torch

MOST_AT_ONCE: Final = 4
"""Parts side by side, for the sake of memory."""

_PATIENCE: Final = 0.2
"""Seconds after which whoever waits is told so."""


class Threads:
    """:class:`~napari_construct.inference.workers.Workers` in this process, each with one thread of torch.

    What a part gives then depends neither on how many threads there are nor on who does it.

    Parameters
    ----------
    count : int
        Threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def results(self, job: Any, predictor: Any, items: Iterable[Any]) -> Generator[Any, None, None]:
        """Results in the order of the items; None while one is waited for."""
        with one_threaded(self.count) as pool:
            waiting: deque[Future[Any]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(job, predictor, item))
                    if len(waiting) > self.count:
                        yield from _patiently(waiting.popleft())
                while waiting:
                    yield from _patiently(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()


class Here:
    """:class:`~napari_construct.inference.workers.Workers` that are this thread, with all of torch's."""

    def results(self, job: Any, predictor: Any, items: Iterable[Any]) -> Generator[Any, None, None]:
        """Results in the order of the items."""
        for item in items:
            yield job(predictor, item)


def workers_here(device: torch.device) -> Here | Threads:
    """Who does the parts of a job in this process."""
    return Threads(threads_for(device)) if device.type == "cpu" else Here()


def threads_for(device: torch.device) -> int:
    """How many parts are done side by side on a device: one on a graphics card."""
    return min(torch.get_num_threads(), MOST_AT_ONCE) if device.type == "cpu" else 1


@contextmanager
def one_threaded(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads let torch use no others."""
    usual, all_there = torch.get_num_threads(), Barrier(count)
    try:
        with ThreadPoolExecutor(count, initializer=_one_thread) as pool:
            list(pool.map(lambda _: all_there.wait(), range(count)))
            torch.set_num_threads(usual)  # what was set last, in any thread, holds for all that begin later
            yield pool
    finally:
        torch.set_num_threads(usual)  # those of the pool may have set it again


def _one_thread() -> None:
    torch.get_num_threads()  # asked for the first time, a thread takes over what was set last
    torch.set_num_threads(1)


def _patiently(future: Future[Any]) -> Generator[Any, None, None]:
    while not wait((future,), _PATIENCE).done:
        yield None
    yield future.result()
