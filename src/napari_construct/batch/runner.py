"""The batch: image after image; one that fails does not stop the others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_construct.batch.fingerprints import weights_hash
from napari_construct.batch.ledger import MAX_ERROR, Entry, Header, Joined, Ledger
from napari_construct.batch.resume import Earlier, earlier_result, set_aside, was_edited
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import Source
from napari_construct.classes import ClassTable
from napari_construct.events import Event, Notice, Steps, of_image
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.atomic import atomic, remove_partials
from napari_construct.export.digests import digest
from napari_construct.export.locks import locked_folder, remove_abandoned
from napari_construct.export.own_files import LEDGER_FORMAT, TABLE_COLUMNS, refuse_others
from napari_construct.export.reports import refuse_inputs
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.decider import named_classes
from napari_construct.inference.segment import segment_steps
from napari_construct.reading.names import shown
from napari_construct.reading.texts.csv import csv_text
from napari_construct.results.areas import PERCENT_OF_TISSUE
from napari_construct.results.files import result_paths, write_result, write_stack

TABLE_NAME: Final = "batch.csv"

_QUANTITIES: Final = (PERCENT_OF_TISSUE, "pixels", "mm2")
"""Columns of each class in the table, behind its name."""

_FAILURES: Final = (
    ConstructError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    LookupError,
    ArithmeticError,
)
"""What a broken image may raise: our own errors, the system's, torch's, and the decoders'."""


@dataclass(frozen=True, slots=True)
class ItemChanged(Event):
    """The state of an image changed; ``done`` of ``total`` images are finished."""

    entry: Entry = field(default_factory=lambda: Entry("", ""))


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Results of a batch.

    Attributes
    ----------
    entries : tuple of Entry
        One for each image, in order.
    resumed : frozenset of str
        Keys of the images that an earlier run finished.
    stacks : mapping
        Stem of each stack to the file of its joined mask.
    output : Path
        The folder.
    """

    entries: tuple[Entry, ...]
    resumed: frozenset[str]
    stacks: Mapping[str, Path]
    output: Path

    def __repr__(self) -> str:
        return f"BatchReport({len(self.done)} done, {len(self.failed)} failed; in {self.output})"

    @property
    def done(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.state == "done")

    @property
    def failed(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.state == "failed")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": str(self.output),
            "items": [
                {
                    "item": entry.key,
                    "state": "resumed" if entry.key in self.resumed else entry.state,
                    "error": entry.error,
                    "files": {kind: str(self.output / name) for kind, name in entry.files.items()},
                    "areas": list(entry.areas),
                    "seconds": entry.seconds,
                }
                for entry in self.entries
            ],
            "stacks": {stem: str(path) for stem, path in self.stacks.items()},
        }


def run_batch_steps(
    sources: Sequence[Source],
    predictor: Predictor,
    settings: BatchSettings,
    output: Path,
    *,
    restart: bool = False,
    overwrite: bool = False,
) -> Steps[BatchReport]:
    """Segment many images into a folder.

    A ledger in the folder holds the state of each image. After a run was cancelled, killed, or failed on some
    images, the same call resumes it: finished, unchanged images are skipped; interrupted and failed ones are
    segmented again. ``batch.csv`` lists the images for people.

    Parameters
    ----------
    sources : sequence of Source
        Of :func:`~napari_construct.batch.sources.find_sources`.
    predictor : Predictor
        The model.
    settings : BatchSettings
        Same for every image.
    output : Path
        Folder for the results; made if it is missing.
    restart : bool
        Segment all images again and replace the ledger of an earlier run.
    overwrite : bool
        Also replace files that napari-construct did not make. Folders that it did not make are never deleted.

    Yields
    ------
    Event
        ``ItemChanged`` of stage "images"; the stages of each segmentation in between; ``Notice``.

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
    named_classes(settings.segment.classes, predictor.classes)
    predictor.check_device(settings.device)
    settings = settings.changed(segment=predictor.resolved(settings.segment))
    header = Header(
        format=LEDGER_FORMAT,
        # neither a model that was moved nor another device makes other results
        settings=settings.model_dump(mode="json", exclude={"model", "device"}),
        model=predictor.sha256 or predictor.name,
        encoder=predictor.encoder_sha256,
        weights=None if predictor.sha256 else weights_hash(predictor.checkpoint),
    )
    with locked_folder(output):
        ledger = Ledger(output, header, restart=restart)
        earlier = {s.key: earlier_result(e, s, output) for s in sources if (e := ledger.entries.get(s.key))}
        resumed = frozenset(key for key, found in earlier.items() if found.good)
        stacks = _stack_paths(sources, output) if "mask" in settings.outputs else {}
        kept = _edited_stacks(stacks, ledger)
        _check_targets(sources, settings, output, ledger, earlier, stacks, kept, overwrite)
        _tidy(sources, output, stacks)
        for text in _said(ledger, earlier, kept):
            yield Notice("images", 0, len(sources), text)
        with ledger:
            for done, source in enumerate(sources):
                if source.key in resumed:
                    continue
                place = (done, len(sources))
                found = earlier.get(source.key, Earlier())
                steps = _item(source, predictor, settings, output, ledger, place, overwrite, found)
                entry = yield from of_image(steps, source.stem)
                ledger.set(entry)
                yield ItemChanged("images", done + 1, len(sources), entry.name, entry)
            entries = tuple(ledger.entries[source.key] for source in sources)
            write_table(output / TABLE_NAME, entries, resumed, predictor.classes)
            joined = dict(_stacks(sources, entries, predictor, stacks, ledger, kept, overwrite))
        return BatchReport(entries, resumed, joined, output)


def _tidy(sources: Sequence[Source], output: Path, stacks: Mapping[str, Path]) -> None:
    """Remove what killed runs left in the folders of the results."""
    for path in (output / TABLE_NAME, *stacks.values()):
        remove_partials(path)
    for folder in {(output / source.stem).parent for source in sources}:
        remove_abandoned(folder)


def _check_targets(
    sources: Sequence[Source],
    settings: BatchSettings,
    output: Path,
    ledger: Ledger,
    earlier: Mapping[str, Earlier],
    stacks: Mapping[str, Path],
    kept: Mapping[str, Path],
    overwrite: bool,
) -> None:
    """Refuse to replace what others made or worked on; before any work."""
    waiting = [s for s in sources if s.key not in earlier or not earlier[s.key].good]
    damaged = {path for found in earlier.values() for path in found.damaged}
    targets = {path for s in waiting for path in result_paths(output, s.stem, settings.outputs).values()}
    if not overwrite:
        _refuse_edited((found.edited, found.why) for found in earlier.values() if not found.good)
        _refuse_edited(((kept[s.stack],), "a plane is segmented again") for s in waiting if s.stack in kept)
    others = [*sorted(targets - damaged), *(path for stem, path in stacks.items() if stem not in kept)]
    refuse_inputs([*targets, *stacks.values()], [s.path for s in sources if s.path is not None])
    refuse_others([ledger.path, output / TABLE_NAME, *others], overwrite=overwrite)


def _said(ledger: Ledger, earlier: Mapping[str, Earlier], kept: Mapping[str, Path]) -> Iterator[str]:
    """What the user should know of the earlier run."""
    if ledger.damaged:
        yield (
            f"{ledger.path.name}: {ledger.damaged} damaged line(s) are left out; their images are segmented "
            "again"
        )
    for key, found in earlier.items():
        entry = ledger.entries[key]
        if found.good:
            for path in found.edited:
                yield f"{entry.name}: {path.name} was changed since it was written, and is kept as it is"
        elif entry.state == "done":
            yield f"{entry.name}: {found.why}; it is segmented again"
    for path in kept.values():
        yield f"{path.name} was changed since it was written, and is kept as it is"


def _refuse_edited(found: Iterable[tuple[Sequence[Path], str]]) -> None:
    """Refuse to make results again on which somebody worked."""
    for paths, why in found:
        if paths:
            raise ConfigurationError(
                f"{paths[0]}: expected a file as it was written, got one that was changed since and would be "
                f"made again ({why}); move it away, choose another output folder, or let batch replace it "
                "with --overwrite"
            )


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


def _item(
    source: Source,
    predictor: Predictor,
    settings: BatchSettings,
    output: Path,
    ledger: Ledger,
    place: tuple[int, int],
    overwrite: bool,
    earlier: Earlier,
) -> Steps[Entry]:
    started = time.perf_counter()
    running = Entry(source.key, source.stem, "running")
    ledger.set(running)
    yield ItemChanged("images", *place, source.stem, running)
    try:
        for path in earlier.damaged:
            set_aside(path)
        fingerprint = source.fingerprint()
        image = source.read()
        for text in image.notices:
            yield Notice("images", *place, text)
        result = yield from segment_steps(
            image.pixels,
            predictor,
            settings.segment,
            mpp=image.mpp,
            name=source.stem,
            valid=image.valid,
        )
        yield Event("writing", 0, 1, source.stem)
        folder, stem = (output / source.stem).parent, Path(source.stem).name
        files = write_result(
            folder, stem, image.pixels, result, image.notices, settings.outputs, overwrite=overwrite
        )
        digests = {kind: digest(path) for kind, path in files.items()}
    except _FAILURES as error:
        return Entry(
            source.key,
            source.stem,
            "failed",
            error=_one_line(error)[:MAX_ERROR],
            seconds=time.perf_counter() - started,
        )
    return Entry(
        source.key,
        source.stem,
        "done",
        files={kind: path.relative_to(output).as_posix() for kind, path in files.items()},
        areas=tuple(result.areas()),
        fingerprint=fingerprint,
        seconds=time.perf_counter() - started,
        sizes={kind: found.size for kind, found in digests.items()},
        sha256={kind: found.sha256 for kind, found in digests.items()},
    )


def _one_line(error: BaseException) -> str:
    text = shown(" ".join(str(error).split()))
    return text if isinstance(error, ConstructError) else f"{type(error).__name__}: {text}".rstrip(": ")


def _stack_paths(sources: Sequence[Source], output: Path) -> dict[str, Path]:
    """Where the joined mask of each stack goes."""
    stems = dict.fromkeys(source.stack for source in sources if source.stack)
    return {stem: result_paths(output, stem, ("mask",))["mask"] for stem in stems}


def _edited_stacks(stacks: Mapping[str, Path], ledger: Ledger) -> dict[str, Path]:
    """Joined masks that somebody worked on."""
    return {s: path for s, path in stacks.items() if was_edited(ledger.joined.get(s), path)}


def _stacks(
    sources: Sequence[Source],
    entries: Sequence[Entry],
    predictor: Predictor,
    stacks: Mapping[str, Path],
    ledger: Ledger,
    kept: Mapping[str, Path],
    overwrite: bool,
) -> Iterator[tuple[str, Path]]:
    """Join the masks of each stack of which at least one plane is done."""
    output = ledger.path.parent
    for stem, path in stacks.items():
        planes = [(s, e) for s, e in zip(sources, entries, strict=True) if s.stack == stem]
        masks = {s.plane: output / e.files["mask"] for s, e in planes if e.state == "done"}
        if masks and (overwrite or stem not in kept):
            refuse_others([path], overwrite=overwrite)
            count = planes[0][0].planes
            write_stack(path, [masks.get(i) for i in range(count)], predictor.classes, None)
            found = digest(path)
            ledger.set(Joined(stem, found.size, found.sha256))
        if masks:
            yield stem, path


def write_table(path: Path, entries: Sequence[Entry], resumed: frozenset[str], classes: ClassTable) -> None:
    """Write a CSV with one row per image: state, error, area of each class, seconds."""
    columns = list(TABLE_COLUMNS)
    for name in classes.names:
        columns += [*(f"{name} {quantity}" for quantity in _QUANTITIES)]
    rows: list[list[Any]] = [columns]
    for entry in entries:
        state = "resumed" if entry.key in resumed else entry.state
        row: dict[str, Any] = {"item": entry.key, "state": state, "error": entry.error}
        row["seconds"] = f"{entry.seconds:.2f}"
        for area in entry.areas:
            for quantity in _QUANTITIES:
                if quantity in area:
                    row[f"{area['class']} {quantity}"] = area[quantity]
        rows.append([row.get(column, "") for column in columns])
    with atomic(path) as temporary:
        temporary.write_text(csv_text(rows), encoding="utf-8")
