"""The batch: image after image; one that fails does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from napari_construct.batch.cell_table import CELL_TABLE, write_cell_table
from napari_construct.batch.elsewhere import ImagesElsewhere
from napari_construct.batch.entries import Entry
from napari_construct.batch.extents import time_left_of
from napari_construct.batch.item import item_steps
from napari_construct.batch.ledger import Ledger
from napari_construct.batch.plan import plan_of
from napari_construct.batch.report import TABLE_NAME, BatchReport, write_table
from napari_construct.batch.resume import Earlier
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.share import Share, locked_for
from napari_construct.batch.sources import Source
from napari_construct.batch.stacks import join_steps, shown_files
from napari_construct.batch.summary import SUMMARY_NAME, totals_of, write_summary
from napari_construct.batch.work import work_of
from napari_construct.events import Doubt, Event, Notice, Steps, of_image
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.workers import Workers

"""What a broken image may raise: our own errors, the system's, torch's, and the decoders'."""


@dataclass(frozen=True, slots=True)
class ItemChanged(Event):
    """The state of an image changed; ``done`` of ``total`` images are finished."""

    entry: Entry = field(default_factory=lambda: Entry("", ""))


def run_batch_steps(
    sources: Sequence[Source],
    predictor: Predictor | CellPredictor,
    settings: BatchSettings,
    output: Path,
    *,
    restart: bool = False,
    overwrite: bool = False,
    workers: Workers | None = None,
    share: Share | None = None,
) -> Steps[BatchReport]:
    """Segment many images and slides into a folder.

    A ledger in the folder holds the state of each image. After a run was cancelled, killed, or failed on some
    images, the same call resumes it: finished, unchanged images are skipped; interrupted and failed ones are
    segmented again; in a slide the run goes on where it was. ``batch.csv`` lists the images for people,
    ``batch_summary.csv`` has the areas over all, ``batch_cells.csv`` the cells of a student.

    Parameters
    ----------
    sources : sequence of Source
        Of :func:`~napari_construct.batch.sources.look_for_sources`, for a student with ``channels=True``.
    predictor : Predictor or CellPredictor
        The model, or a student on one channel.
    settings : BatchSettings
        Same for every image.
    output : Path
        Folder for the results; made if it is missing.
    restart : bool
        Segment all images again and replace the ledger of an earlier run.
    overwrite : bool
        Also replace files that napari-construct did not make. Folders that it did not make are never deleted.
    workers : Workers, optional
        A :class:`~napari_construct.Cluster` that does the images, several at once, and the parts of slides;
        by default this process.
    share : Share, optional
        Do only a share of the images, beside other processes that do the others in the same folder. Joined
        stacks and tables come from the next run without a share, which segments nothing again.

    Yields
    ------
    Event
        ``ItemChanged`` of stage "images"; the stages of each segmentation in between; ``Notice``;
        ``TimeTold`` with the time left over all.

    Returns
    -------
    BatchReport
        Results of all images. A failed image raises no error.

    Raises
    ------
    ConfigurationError
        If the folder holds a run with other settings or another run is writing there, the settings contradict
        the model, or a file that napari-construct did not make, or somebody changed since, would be
        replaced. Nothing is written then.
    ConstructError
        If the folder cannot be written.
    """
    _check(sources)
    sources = sources if share is None else share.of(sources)
    work = work_of(predictor, settings)
    work.workers = workers
    kinds, with_cells = work.settings.outputs, "table" in work.settings.outputs
    with locked_for(output, share):
        ledger = Ledger(output, work.header(), restart=restart, share=share)
        plan = plan_of(sources, kinds, output, ledger)
        plan.check_targets(overwrite=overwrite)
        plan.remove_leftovers()
        resumed = plan.resumed
        for text in plan.notices():
            yield Notice("images", 0, len(sources), text)
        with ledger:
            finished = resumed
            if workers is not None:
                others = [source for source in sources if not source.slide and source.key not in resumed]
                job = ImagesElsewhere(work.settings, output, overwrite)
                changed = _changes(ledger, resumed, len(sources))
                yield from job.steps(workers, predictor, others, plan.earlier, changed)
                finished = resumed.union(source.key for source in others)
            left = time_left_of([source for source in sources if source.key not in finished], work)
            for done, source in enumerate(sources):
                if source.key in finished:
                    continue
                place = (done, len(sources))
                running = Entry(source.key, source.stem, "running")
                ledger.set(running)
                yield ItemChanged("images", *place, source.stem, running)
                found = plan.earlier.get(source.key, Earlier())
                steps = item_steps(source, work, output, place, found, overwrite=overwrite)
                entry = yield from left.following(of_image(steps, source.stem))
                left.end(done=entry.state == "done")
                ledger.set(entry)
                yield ItemChanged("images", done + 1, len(sources), entry.name, entry)
            entries = tuple(ledger.entries[source.key] for source in sources)
            if share is not None:
                return BatchReport(entries, resumed, {}, output)
            write_table(output / TABLE_NAME, entries, resumed, work.classes)
            totals = totals_of(entries, work.classes.names)
            write_summary(output / SUMMARY_NAME, totals)
            joined = yield from join_steps(plan, entries, work.classes, overwrite=overwrite)
            for text in write_cell_table(output / CELL_TABLE, entries, output) if with_cells else ():
                yield Notice("images", len(sources), len(sources), Doubt(text))
        cells = output / CELL_TABLE if with_cells else None
        return BatchReport(entries, resumed, shown_files(joined), output, cells, joined, totals)


def _changes(ledger: Ledger, resumed: AbstractSet[str], total: int) -> Callable[[Entry], ItemChanged]:
    """Writes an entry to the ledger and says so, for images that are done in any order."""
    finished = set(resumed)

    def changed(entry: Entry) -> ItemChanged:
        ledger.set(entry)
        finished.update([entry.key] if entry.state != "running" else [])
        return ItemChanged("images", len(finished), total, entry.name, entry)

    return changed


def _check(sources: Sequence[Source]) -> None:
    if not sources:
        raise ConfigurationError("expected at least one image, got none; add files, folders or layers")
    for what in ("key", "stem"):
        names = Counter(getattr(source, what) for source in sources)
        twice, times = names.most_common(1)[0]
        if times > 1:
            raise ConfigurationError(
                f"expected images with different names, got {twice} twice, whose results would overwrite "
                "each other; leave one out"
            )
