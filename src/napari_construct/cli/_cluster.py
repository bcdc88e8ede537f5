"""The options of commands that several processes can share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from napari_construct.cli._interrupt import orderly_end

if TYPE_CHECKING:
    from napari_construct.batch.share import Share
    from napari_construct.cluster.cluster import Cluster

WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers", help="Share the work between so many processes on this machine (extra: cluster)."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Share the work between the workers of a dask scheduler, tcp://host:8786 or tls://host:8786, in "
        "a network that you trust.",
    ),
]
ShareOption = Annotated[
    str | None,
    typer.Option(
        "--share",
        metavar="I/N",
        help="Do only every N-th image, beside N - 1 other processes with the same output; the same command "
        "without it joins the results.",
    ),
]


@contextmanager
def cluster_of(workers: int | None, scheduler: str | None) -> Iterator[Cluster | None]:
    """The processes that were asked for; None where the command works alone."""
    if workers is None and scheduler is None:
        yield None
        return
    from napari_construct.cluster.cluster import Cluster

    with orderly_end(), Cluster(workers, scheduler=scheduler) as cluster:
        yield cluster


def share_of(text: str | None) -> Share | None:
    """What ``--share`` asks for."""
    from napari_construct.batch.share import Share

    return None if text is None else Share.parse(text)
