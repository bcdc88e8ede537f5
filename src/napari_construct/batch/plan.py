"""What a batch is about to do, beside what an earlier run left in its folder."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_construct.batch.cell_table import CELL_TABLE
from napari_construct.batch.ledger import Ledger
from napari_construct.batch.report import TABLE_NAME
from napari_construct.batch.resume import Earlier, earlier_result, was_edited
from napari_construct.batch.slides import paths_of
from napari_construct.batch.sources import Source
from napari_construct.batch.summary import SUMMARY_NAME
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.locks import remove_abandoned
from napari_construct.export.own_files import refuse_others
from napari_construct.export.reports import refuse_inputs
from napari_construct.results.files import result_paths
from napari_construct.whole_files import remove_partials


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Images, their results, and what is still good of an earlier run.

    Attributes
    ----------
    sources : sequence of Source
        The images.
    kinds : sequence of str
        Files of each result.
    output : Path
        Folder for the results.
    ledger : Ledger
        Of the folder.
    earlier : mapping of str to Earlier
        What is left of an image, by key.
    stacks : mapping of str to mapping of str to Path
        Where the joined files of each stack go, by its stem and their kind.
    kept : mapping of str to Path
        Stacks of whose joined files somebody worked on one, and which.
    """

    sources: Sequence[Source]
    kinds: Sequence[str]
    output: Path
    ledger: Ledger
    earlier: Mapping[str, Earlier]
    stacks: Mapping[str, Mapping[str, Path]]
    kept: Mapping[str, Path]

    @property
    def resumed(self) -> frozenset[str]:
        """Keys of the images that are not segmented again."""
        return frozenset(key for key, found in self.earlier.items() if found.good)

    def check_targets(self, *, overwrite: bool) -> None:
        """Refuse to replace what others made or worked on; before any work.

        Raises
        ------
        ConfigurationError
            If there is such a file; it is named.
        """
        resumed = self.resumed
        waiting = [source for source in self.sources if source.key not in resumed]
        if not overwrite:
            _refuse_edited((found.edited, found.why) for found in self.earlier.values() if not found.good)
            _refuse_edited(
                ((self.kept[source.stack],), "a plane is segmented again")
                for source in waiting
                if source.stack in self.kept
            )
        damaged = {path for found in self.earlier.values() for path in found.damaged}
        results = (paths_of(source, self.output, self.kinds).values() for source in waiting)
        targets = {path for paths in results for path in paths}
        files = [source.path for source in self.sources if source.path is not None]
        refuse_inputs([*targets, *self._joined()], files)
        others = sorted(targets - damaged)
        joined = self._joined(besides=self.kept)
        tables = [
            self.output / TABLE_NAME,
            self.output / SUMMARY_NAME,
            *[self.output / CELL_TABLE] * ("table" in self.kinds),
        ]
        refuse_others([self.ledger.path, *tables, *others, *joined], overwrite=overwrite)

    def remove_leftovers(self) -> None:
        """Remove what killed runs left half-written in the folders of the results."""
        tables = (TABLE_NAME, SUMMARY_NAME, CELL_TABLE)
        for path in (*(self.output / name for name in tables), *self._joined()):
            remove_partials(path)
        for folder in {(self.output / source.stem).parent for source in self.sources}:
            remove_abandoned(folder)

    def notices(self) -> Iterator[str]:
        """What the user should know of the earlier run."""
        if self.ledger.damaged:
            yield (
                f"{self.ledger.path.name}: {self.ledger.damaged} damaged line(s) are left out; their images "
                "are segmented again"
            )
        for key, found in self.earlier.items():
            entry = self.ledger.entries[key]
            if found.good:
                for path in found.edited:
                    yield f"{entry.name}: {path.name} was changed since it was written, and is kept as it is"
            elif entry.state == "done":
                yield f"{entry.name}: {found.why}; it is segmented again"
        for path in self.kept.values():
            yield f"{path.name} was changed since it was written, and is kept as it is"

    def _joined(self, *, besides: Container[str] = ()) -> list[Path]:
        """The joined files of stacks, but for some of these."""
        return [path for stem, paths in self.stacks.items() if stem not in besides for path in paths.values()]


def plan_of(sources: Sequence[Source], kinds: Sequence[str], output: Path, ledger: Ledger) -> Plan:
    """Compare images and files with what the ledger says of them."""
    stems = dict.fromkeys(source.stack for source in sources if source.stack)
    joined = _joined_kinds(kinds)
    stacks = {stem: _joined_paths(output, stem, joined) for stem in stems if joined}
    known = ((source, ledger.entries.get(source.key)) for source in sources)
    return Plan(
        sources,
        kinds,
        output,
        ledger,
        earlier={s.key: earlier_result(entry, s, output) for s, entry in known if entry is not None},
        stacks=stacks,
        kept={
            stem: path
            for stem, paths in stacks.items()
            for kind, path in paths.items()
            if was_edited(ledger.joined.get((stem, kind)), path)
        },
    )


def _joined_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Which files of the planes are joined: masks, or with the numbers of cells a whole result."""
    wanted = ("mask", "cells", "table", "record") if "cells" in kinds else ("mask",)
    return tuple(kind for kind in wanted if kind in kinds or kind == "record")


def _joined_paths(output: Path, stem: str, kinds: Sequence[str]) -> dict[str, Path]:
    return {kind: path for kind, path in result_paths(output, stem, kinds).items() if kind in kinds}


def _refuse_edited(found: Iterable[tuple[Sequence[Path], str]]) -> None:
    """Refuse to make results again on which somebody worked."""
    for paths, why in found:
        if paths:
            raise ConfigurationError(
                f"{paths[0]}: expected a file as it was written, got one that was changed since and would be "
                f"made again ({why}); move it away, choose another output folder, or let it be replaced "
                "(--overwrite; in napari: Overwrite files of others)"
            )
