"""Strips of an image worked on side by side.

torch splits every operation over its threads and waits for all of them after each. The operations here
are small and many, so that on a busy computer the waiting costs more than the work. Instead each
thread takes a whole strip through all its operations, one thread an operation. The cut into strips
depends on the image only and partial results are added in the order of the strips, so that no number
depends on how many threads there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol, TypeVar, runtime_checkable

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
    step = -(-rows // (2 * pairs))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]


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
        yield _pool(threads).map


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: new ones would have to fill their caches and scratch memory again."""
    return ThreadPoolExecutor(threads, "dense-crf", initializer=torch.set_num_threads, initargs=(1,))


if hasattr(os, "register_at_fork"):  # threads do not survive a fork, the object would
    os.register_at_fork(after_in_child=_pool.cache_clear)
