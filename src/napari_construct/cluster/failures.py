"""What went wrong on workers, in our own words."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import CancelledError
from threading import Event
from typing import Any

from distributed import Future, KilledWorker
from distributed.comm.core import CommClosedError

from napari_construct.exceptions import ConstructError, WorkersLostError
from napari_construct.reading.foreign import passed_on


def result_of(future: Future[Any], beat: float) -> Generator[Any, None, None]:
    """The result of a part; before it None every ``beat`` seconds.

    Raises
    ------
    ConstructError
        If the part failed, its workers were lost too often, or the scheduler.
    """
    over = Event()
    future.add_done_callback(lambda _: over.set())
    while not over.wait(beat) and not future.done():
        yield None
    try:
        found = future.result()
    except ConstructError:
        raise
    except (KilledWorker, CancelledError, CommClosedError, TimeoutError) as error:
        raise _lost(error) from error
    except Exception as error:
        raise ConstructError(
            f"a worker could not do its part ({type(error).__name__}: {passed_on(error)}); see the log of "
            "the workers; the same command goes on where it was"
        ) from error
    yield found


def _lost(error: BaseException) -> ConstructError:
    if isinstance(error, KilledWorker):
        return WorkersLostError(
            "expected workers that stay, but several were lost one after another at the same part, often "
            "for lack of memory; take fewer workers on a machine or smaller tiles; the same command goes on "
            "where it was"
        )
    return ConstructError(
        "expected the scheduler until the end, but it was lost; start it and its workers again; the same "
        "command goes on where it was"
    )
