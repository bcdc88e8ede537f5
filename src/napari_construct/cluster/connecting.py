"""Start workers on this machine, or reach those of a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from distributed import Client, LocalCluster
from distributed.security import Security

from napari_construct.cluster.interrupts import without_interrupts
from napari_construct.cluster.on_worker import versions
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.foreign import passed_on

PATIENCE: Final = 10.0
"""Seconds to reach a scheduler."""
WORKERS_COME: Final = 60.0
"""Seconds until its first worker is there."""
MOST_WORKERS: Final = 1024


def start_workers(count: int) -> tuple[Client, LocalCluster]:
    """Processes on this machine, each with one thread; others on it cannot reach them without their keys.

    Raises
    ------
    ConfigurationError
        If the number is impossible.
    ConstructError
        If they do not start.
    """
    if not 1 <= count <= MOST_WORKERS:
        raise ConfigurationError(f"expected 1 to {MOST_WORKERS} workers, got {count}; correct it (--workers)")
    try:
        with without_interrupts():
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # of its statistics; any free port
                memory_limit=0,  # what a part takes is bounded here; a paused worker would never go on
                security=Security.temporary(),
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ConstructError(
            f"expected {count} workers, could not start them ({passed_on(error)}); take fewer, or "
            "none (leave out --workers)"
        ) from error
    return Client(cluster, set_as_default=False), cluster


def reach_scheduler(address: str, patience: float = PATIENCE, come: float = WORKERS_COME) -> Client:
    """The client of a scheduler with workers that can do our work.

    For ``tls://`` the certificates are those of dask's own configuration (``distributed.comm.tls``).

    Raises
    ------
    ConfigurationError
        If it cannot be reached, has no workers, or workers with other versions.
    """
    try:
        client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError, TypeError, TimeoutError) as error:
        raise ConfigurationError(
            f"{address}: expected a dask scheduler, could not reach one within {patience:g} s "
            f"({passed_on(error)}); check the address that the scheduler printed (tcp://host:8786), the "
            "network between, and for tls:// the certificates in dask's configuration"
        ) from error
    try:
        _wait(client, address, come)
        _check(client.run(versions, on_error="return"), address)
    except BaseException:
        client.close()
        raise
    return client


def _wait(client: Client, address: str, come: float) -> None:
    try:
        client.wait_for_workers(1, timeout=come)
    except TimeoutError as error:
        raise ConfigurationError(
            f"{address}: expected a scheduler with workers, got none within {come:g} s; start some "
            f"(dask worker {address} --nthreads 1)"
        ) from error


def _check(found: Mapping[str, Any], address: str) -> None:
    """Refuse workers of other versions: they would find other numbers, or nothing."""
    wanted = versions()
    for worker, said in found.items():
        if said == wanted:
            continue
        if isinstance(said, dict):
            got = ", ".join(f"{name} {said.get(name)}" for name in wanted if said.get(name) != wanted[name])
        else:
            got = f"one that cannot load it ({type(said).__name__}: {passed_on(said)})"
        expected = ", ".join(f"{name} {version}" for name, version in wanted.items())
        raise ConfigurationError(
            f"{address}: expected workers with {expected}, got {got} at {worker}; install the same versions "
            "in the environment of the workers"
        )


def threads_of(client: Client) -> int:
    """Threads of all workers together, at least 1."""
    threads: dict[str, int] = client.nthreads()
    return max(1, sum(threads.values()))
