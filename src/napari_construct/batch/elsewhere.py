"""Images of a batch, done by other processes; this one alone writes the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from napari_construct.batch.entries import Entry
from napari_construct.batch.item import item_steps
from napari_construct.batch.resume import Earlier
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import Source
from napari_construct.batch.work import work_of
from napari_construct.events import Event, Notice, Steps, run
from napari_construct.exceptions import WorkersLostError
from napari_construct.inference.activation.loaded_network import LoadedNetwork
from napari_construct.inference.workers import Workers


@dataclass(frozen=True, slots=True, eq=False)
class ImagesElsewhere:
    """Images as parts; a :class:`~napari_construct.inference.workers.Job` on an image and what is left of it.

    The files of a result are written whole or not at all: an image that is done twice does no harm.

    Attributes
    ----------
    settings : BatchSettings
        Of the batch.
    output : Path
        Folder for the results, the same for all processes.
    overwrite : bool
        As of the batch.
    """

    settings: BatchSettings
    output: Path
    overwrite: bool
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, predictor: Any, item: tuple[Source, Earlier]) -> tuple[Entry, tuple[Notice, ...]]:
        """Entry of the ledger of one image, and what was said of it."""
        source, earlier = item
        work = work_of(predictor, self.settings.changed(device="auto"))
        said: list[Event] = []
        steps = item_steps(source, work, self.output, (0, 1), earlier, overwrite=self.overwrite)
        entry = run(steps, said.append)
        return entry, tuple(event for event in said if isinstance(event, Notice))

    def steps(
        self,
        workers: Workers,
        predictor: LoadedNetwork,
        sources: Sequence[Source],
        earlier: Mapping[str, Earlier],
        changed: Callable[[Entry], Event],
    ) -> Steps[None]:
        """Do images elsewhere.

        Parameters
        ----------
        workers : Workers
            Who does them.
        predictor : LoadedNetwork
            The model.
        sources : sequence of Source
            The images.
        earlier : mapping of str to Earlier
            What is left of them.
        changed : callable
            Told every new entry; returns the event that says so.

        Yields
        ------
        Event
            What ``changed`` returned, and notices.
        """
        left = list(sources)
        event: Event = Event("images", 0, len(left))
        while left:
            begun: list[Entry] = []

            def items(waiting: Sequence[Source], begun: list[Entry]) -> Iterator[tuple[Source, Earlier]]:
                for source in waiting:
                    begun.append(Entry(source.key, source.stem, "running"))
                    yield source, earlier.get(source.key, Earlier())

            try:
                with closing(workers.results(self, predictor, items(tuple(left), begun))) as results:
                    for found in results:
                        while begun:
                            event = changed(begun.pop(0))
                            yield event
                        if found is None:
                            yield Event("images", event.done, event.total)
                            continue
                        entry, notices = found
                        yield from notices
                        del left[0]
                        event = changed(entry)
                        yield event
            except WorkersLostError as error:  # one image must not stop the others
                source = left.pop(0)
                yield changed(Entry(source.key, source.stem, "failed", error=str(error)))
