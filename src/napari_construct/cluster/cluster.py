"""The door to several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.inference.activation.loaded_network import LoadedNetwork

if TYPE_CHECKING:
    from distributed import Future

    from napari_construct.inference.workers import Job

BEAT: Final = 0.25
"""Seconds between two looks at whether somebody cancels."""
AHEAD: Final = 2
"""Parts for each thread that are given out before the first is back, and as many again that wait."""
LARGEST_MODEL: Final = 2**31
"""Bytes of a checkpoint that are sent to workers without it."""


class Cluster:
    """Processes on this machine, or the workers of a dask scheduler; used in a ``with`` block.

    Each loads the model once. Results are the same bytes as those of one process. What a lost worker had is
    done again by others.

    A scheduler runs whatever it is sent: use one in a network that you trust, or with TLS.

    Parameters
    ----------
    workers : int, optional
        Processes on this machine, each with one thread.
    scheduler : str, optional
        Address of a scheduler, ``tcp://host:8786``, or ``tls://host:8786`` with the certificates of dask's
        configuration. Slides and, for a batch, the folder of results must have the same path on all
        machines.

    Raises
    ------
    ConfigurationError
        If not exactly one is given, dask.distributed is not installed, the scheduler cannot be reached, or
        has no workers, or workers with another version.

    Examples
    --------
    >>> from napari_construct import Cluster, segment_slide
    >>> if __name__ == "__main__":  # doctest: +SKIP
    ...     with Cluster(workers=4) as cluster:
    ...         segment_slide("slide.svs", folder="results", workers=cluster)
    """

    def __init__(self, workers: int | None = None, *, scheduler: str | None = None) -> None:
        if (workers is None) == (scheduler is None):
            raise ConfigurationError(
                "expected either a number of workers on this machine or the address of a scheduler, got "
                f"{'neither' if workers is None else 'both'}; give one"
            )
        if find_spec("distributed") is None:
            raise ConfigurationError(
                "expected dask.distributed for several workers, it is not installed; install the extra "
                'cluster: pip install "napari-construct[cluster]"'
            )
        from napari_construct.cluster.connecting import reach_scheduler, start_workers

        self._local, self._scheduler = None, scheduler
        if scheduler is None:
            self._client, self._local = start_workers(int(workers or 0))
        else:
            self._client = reach_scheduler(scheduler)
        self._models: list[tuple[LoadedNetwork, str]] = []

    def __enter__(self) -> Cluster:  # noqa: PYI034 - the tests' type checker knows no Self here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        place = "on this machine" if self._scheduler is None else f"of {self._scheduler}"
        return f"Cluster({len(self._client.nthreads())} workers {place})"

    def close(self) -> None:
        """Let the workers go: those of this machine end, others forget the models."""
        with suppress(Exception):
            for _, name in self._models if self._local is None else ():
                self._client.unregister_worker_plugin(name)
        with suppress(Exception):
            self._client.close()
        if self._local is not None:
            self._local.close()

    def results(
        self, job: Job[Any, Any], predictor: LoadedNetwork, items: Iterable[Any]
    ) -> Generator[Any, None, None]:
        """Results in the order of the items; None from time to time while one is waited for.

        Closing the generator cancels what has not begun.

        Raises
        ------
        ConstructError
            What a part failed with; if workers were lost again and again at one part, or all with the
            scheduler.
        """
        from napari_construct.cluster.connecting import threads_of
        from napari_construct.cluster.failures import result_of
        from napari_construct.cluster.on_worker import do

        model, names = self._model(predictor), uuid4().hex
        waiting: deque[Future[Any]] = deque()
        coming = enumerate(items)
        try:
            more = True
            while True:
                while more and len(waiting) < 2 * AHEAD * threads_of(self._client):
                    number, item = next(coming, (-1, None))
                    more = number >= 0
                    if more:
                        key = f"{type(job).__name__}-{names}-{number}"
                        waiting.append(self._client.submit(do, model, job, item, key=key, pure=False))
                if not waiting:
                    return
                yield from result_of(waiting[0], BEAT)
                waiting.popleft().release()
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel(list(waiting))

    def _model(self, predictor: LoadedNetwork) -> str:
        """Name of the plugin that holds a model on all workers."""
        from napari_construct.cluster.on_worker import ModelOnWorker, has_file

        name = next((name for known, name in self._models if known is predictor), None)
        if name is not None:
            return name
        name = f"napari-construct-{uuid4().hex}"
        plugin = ModelOnWorker(predictor, name)
        path, sha256 = plugin.file
        if self._local is None and not all(self._client.run(has_file, path, sha256).values()):
            if path.stat().st_size > LARGEST_MODEL:
                raise CheckpointError(
                    f"{path}: expected a model that all workers have, or of at most 2 GiB, got a larger "
                    "one; put it into a folder that all machines share"
                )
            plugin = ModelOnWorker(predictor, name, path.read_bytes())
        self._client.register_plugin(plugin, name=name)
        self._models.append((predictor, name))
        return name
