"""The table of a labelled folder: what training reads, and what was there beside it stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from napari_construct.classes import ClassTable
from napari_construct.data.labels.labelled_folder import LABELS
from napari_construct.data.labels.table_rows import read_rows
from napari_construct.data.labels.wording import label_value
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.export.atomic import atomic
from napari_construct.labelling.description import CutPatch
from napari_construct.reading.foreign import quoted
from napari_construct.reading.names import named, normal
from napari_construct.reading.places import written
from napari_construct.reading.texts.csv import csv_text

Labels: TypeAlias = frozenset[int] | None
"""Classes of a patch, from 0; empty: none of them; None: not labelled yet."""

PATH: Final = "path"
COLUMNS: Final = ("group", "source", "row", "column", "mpp")
"""Behind the classes."""


class LabelsFile:
    """``labels.csv`` of a folder. Rows and columns that others added are kept.

    Parameters
    ----------
    folder : Path
        The folder.
    classes : ClassTable
        Whose columns hold labels.
    patches : sequence of CutPatch
        Whose rows are ours.
    former : sequence of str
        What the first classes were called before.
    """

    def __init__(
        self, folder: Path, classes: ClassTable, patches: Sequence[CutPatch], former: Sequence[str] = ()
    ) -> None:
        self._former = former
        self.path = folder / LABELS
        self._classes, self._patches = classes, patches
        self._others: list[dict[str, str]] = []
        self._extra: list[str] = []
        self._cells: dict[str, dict[str, str]] = {}
        self._seen: tuple[int, int] | None = None

    def read(self) -> list[Labels]:
        """The labels of the patches; a patch without a row is not labelled.

        Raises
        ------
        DatasetError
            If it is no such table: a column is missing, a path is there twice, or a label is neither 0 nor 1.
        """
        self._seen = written(self.path)
        if self._seen is None:
            return [None] * len(self._patches)
        header, rows = read_rows(self.path)
        header = self._renamed(header)
        certain = self._classes.names[: len(self._former) or None]  # added ones may not be there yet
        missing = [name for name in (PATH, *certain) if name not in header]
        if missing:
            raise DatasetError(
                f"{self.path}: expected the columns path and {named(self._classes.names, 20)}, found none "
                f"for {named(missing)}; restore the header"
            )
        if len(set(header)) < len(header):
            raise DatasetError(
                f"{self.path}: expected columns with different names; rename or remove the copies"
            )
        known = {PATH, *self._classes.names, *COLUMNS}
        self._extra = [name for name in header if name not in known]
        ours = {normal(patch.path) for patch in self._patches}
        found: dict[str, Labels] = {}
        for row in rows:
            cells = dict(zip(header, row.cells, strict=True))
            path = normal(cells[PATH].strip().replace("\\", "/"))
            if path not in ours:
                self._others.append(cells)
                continue
            if path in found:
                raise DatasetError(
                    f"{self.path}, line {row.line}: expected every patch once, got {quoted(path)} twice"
                )
            self._cells[path] = cells
            found[path] = self._labels(cells, row.line)
        return [found.get(normal(patch.path)) for patch in self._patches]

    def write(self, labels: Sequence[Labels]) -> None:
        """Write the labels, whole or not at all.

        Raises
        ------
        ConfigurationError
            If another program wrote the table meanwhile.
        ConstructError
            If the system refuses.
        """
        if self._seen is not None and written(self.path) != self._seen:
            raise ConfigurationError(
                f"{self.path}: expected the table as it was read, got one that another program wrote; close "
                "it there, and open the folder again: the labels since then are kept beside it and are added"
            )
        header = [PATH, *self._classes.names, *COLUMNS, *self._extra]
        rows = [self._row(patch, own) for patch, own in zip(self._patches, labels, strict=True)]
        rows += self._others
        text = csv_text([header, *([row.get(name, "") for name in header] for row in rows)])
        with atomic(self.path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self._seen = written(self.path)

    def rename(self, classes: ClassTable) -> None:
        """Call the columns of the classes otherwise, in their order; new ones are added at the end."""
        names = dict(zip(self._classes.names, classes.names, strict=False))
        self._others = [{names.get(key, key): cell for key, cell in row.items()} for row in self._others]
        self._classes = classes

    def _renamed(self, header: Sequence[str]) -> list[str]:
        """The header with the present names of the classes, where a kill left it with those of before."""
        if not self._former or all(name in header for name in self._classes.names):
            return list(header)
        names = dict(zip(self._former, self._classes.names, strict=False))
        return [names.get(name, name) for name in header]

    def _row(self, patch: CutPatch, labels: Labels) -> Mapping[str, str]:
        place = {
            "group": patch.group,
            "source": patch.source,
            "row": str(patch.row),
            "column": str(patch.column),
            "mpp": "" if patch.mpp is None else f"{patch.mpp:.6g}",
        }
        cells = (
            {} if labels is None else {n: str(int(i in labels)) for i, n in enumerate(self._classes.names)}
        )
        kept = {name: self._cells.get(normal(patch.path), {}).get(name, "") for name in self._extra}
        return {PATH: patch.path, **place, **kept, **cells}

    def _labels(self, cells: Mapping[str, str], line: int) -> Labels:
        own = {name: cells.get(name, "").strip() for name in self._classes.names}
        if not any(own.values()):
            return None
        found = set()
        for i, (name, text) in enumerate(own.items()):
            value = label_value(text) if text else False
            if value is None:
                raise DatasetError(
                    f"{self.path}, line {line}: expected 0 or 1 for {named([name])}, got {quoted(text)}; "
                    "correct the label"
                )
            if value:
                found.add(i)
        return frozenset(found)
