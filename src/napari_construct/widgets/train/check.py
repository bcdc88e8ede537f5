"""The content of a dataset as a tree: counts, label sets, sizes, and the names of problem files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_construct.data.dataset_check import DatasetReport
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.widgets.fields.controls import named, plain_tip
from napari_construct.widgets.fields.message_label import Level

_MOST: Final = 500
"""Number of files that are named in one group; more would make the tree slow."""

_MOST_OF_WIDTH: Final = 0.55
"""Share of the width that values may take from the names."""

Rows = Sequence[tuple[str, str, str]]
"""Name, value and tooltip."""


class CheckTree(QTreeWidget):
    """Shows the counts of a dataset, and after all files were read its full report."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setHeaderLabels(["Patches", ""])
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.header().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setIndentation(12)
        self.setMinimumHeight(110)
        self.setMaximumHeight(170)
        named(self, "Check of the training data", "Content of the training data, and unusable files")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def clearAll(self) -> None:
        self.clear()
        self.setHeaderLabels(["Patches", ""])

    def showDataset(self, dataset: ImageLevelDataset, form: str) -> None:
        """Show counts, before any file is read."""
        self.clear()
        self.setHeaderLabels(["Patches", str(len(dataset))])
        self._add("Format", form, ())
        counts = dataset.labels.sum(axis=0, dtype=int).tolist()
        self._classes(dict(zip(dataset.class_names, counts, strict=True)), len(dataset))
        self._fit()

    def showReport(self, report: DatasetReport, form: str) -> None:
        """Show the report of all files."""
        self.clear()
        self.setHeaderLabels(["Patches", str(report.count)])
        names = list(report.positives)
        if report.unreadable:
            rows = [(name, "", reason) for name, reason in report.unreadable]
            self._add("Unreadable", str(len(rows)), rows, error=True, opened=True)
        if report.odd_sized:
            rows = [(name, "", "Size differs from most patches") for name in report.odd_sized]
            self._add("Odd size", str(len(rows)), rows)
        self._add("Format", form, ())
        self._classes(report.positives, report.count)
        sets = [
            (_set(bits, names), str(count), f"[{bits}]") for bits, count in report.label_histogram.items()
        ]
        self._add("Label sets", str(len(sets)), sets)
        sizes = [(f"{w} x {h} px", str(count), "Width and height") for (h, w), count in report.sizes.items()]
        self._add("Sizes", sizes[0][0] if len(sizes) == 1 else str(len(sizes)), sizes)
        if report.notices:
            self._add("Notes", str(len(report.notices)), [(text, "", text) for text in report.notices])
        self._fit()

    def _fit(self) -> None:
        """Values take the width that they need, at most that of the names, which elide in their middle."""
        needed = max(self.sizeHintForColumn(1), self.header().sectionSizeHint(1))
        self.setColumnWidth(1, min(needed + 4, int(_MOST_OF_WIDTH * self.viewport().width())))

    def _classes(self, positives: Mapping[str, int], total: int) -> None:
        rows = [(name, str(n), f"{n} of {total} patches contain {name}") for name, n in positives.items()]
        self._add("Classes", str(len(rows)), rows, opened=True)

    def _add(self, name: str, value: str, rows: Rows, *, error: bool = False, opened: bool = False) -> None:
        group = QTreeWidgetItem([name, value])
        group.setToolTip(0, plain_tip(name))
        group.setToolTip(1, plain_tip(value))
        for words, number, tip in rows[:_MOST]:
            item = QTreeWidgetItem([words, number])
            item.setToolTip(0, plain_tip(tip if words in tip else f"{words}\n{tip}"))
            item.setToolTip(1, plain_tip(number))
            group.addChild(item)
        if len(rows) > _MOST:
            group.addChild(QTreeWidgetItem([f"... and {len(rows) - _MOST} more", ""]))
        if error:
            group.setForeground(0, QColor(Level.ERROR.value))
        self.addTopLevelItem(group)
        group.setExpanded(opened)


def _set(bits: str, names: Sequence[str]) -> str:
    """The classes of a label set as text."""
    there = [name for bit, name in zip(bits, names, strict=True) if bit == "1"]
    return ", ".join(there) or "none of the classes"
