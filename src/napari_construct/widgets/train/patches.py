"""The data of a training run: files, their check, and the class table."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.data.dataset_check import DatasetReport
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.events import Event
from napari_construct.metrics.class_order import in_words
from napari_construct.widgets.fields.layout import fold, stacked
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.parts.order_row import OrderRow
from napari_construct.widgets.train.check import CheckTree
from napari_construct.widgets.train.data import (
    FORMATS,
    DataFound,
    OrderFound,
    ValidationFound,
    fits,
    look_steps,
)
from napari_construct.widgets.train.files import TrainFiles


class TrainPatches(QWidget):
    """Checks the chosen patches in a thread and shows the result."""

    valueChanged = Signal()
    """The data changed, or the result of their check."""
    found = Signal(object)
    """A :class:`~napari_construct.widgets.train.data.DataFound`: what the chosen patches are."""
    orderChosen = Signal(object)
    """Classes in the order of the masks' values, where that of the patches is fixed; None for the same."""
    failed = Signal(object)
    """A class table could not be read or written."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: ImageLevelDataset | None = None
        self._form = "folders"
        self._checked: frozenset[Path] = frozenset()
        self._unreadable = 0
        self._error: Exception | None = None
        self._tables: dict[str, tuple[ClassTable | None, str]] = {}
        self._order: OrderFound | None = None
        self._look = LiveJob("Check the patches", self)
        self.files = TrainFiles(self)
        self.tree = CheckTree(self)
        tip = "Read the masks in this order. The classes are learned from the patches all the same"
        self._order_row = OrderRow("Use the masks' order", tip, self)
        self.classes = ClassTableEditor(self, prompts_editable=True, movable=True)
        tip = "Names, prompts, colours and order of the classes"
        self._folded = fold("Classes", tip, self.classes, self)
        self._folded.expand(animate=False)
        stacked(self, self.files, self._order_row, self.tree, self._folded)
        self._show_found(found=False)
        self._order_row.used.connect(self._use_order)
        self._order_row.kept.connect(self._keep_order)
        self.files.replaced.connect(self._on_replaced)
        self.files.dataChanged.connect(self._on_data)
        self.files.outputChanged.connect(self.valueChanged)
        self._look.progressed.connect(self._on_look)
        self._look.returned.connect(self._on_report)
        self._look.failed.connect(self._on_failed)
        self.classes.valueChanged.connect(self.valueChanged)
        self.classes.failed.connect(self.failed)

    def table(self) -> ClassTable | None:
        """The classes in the order of the model's outputs; None before patches are found."""
        return self.classes.value() if self._dataset is not None else None

    def setTable(self, table: ClassTable) -> None:
        """Show other classes, if they fit the patches."""
        if self._dataset is not None and fits(table.names, self._dataset, self._form, self._form):
            self.classes.setValue(table)

    def count(self) -> int:
        """Number of patches; 0 before they are found."""
        return 0 if self._dataset is None else len(self._dataset)

    def checked(self) -> frozenset[Path]:
        """Files that were read without an error."""
        return self._checked

    def error(self) -> Exception | None:
        """Why the patches cannot be used."""
        return self._error

    def missing(self) -> str:
        """What is still needed; empty if the patches are known."""
        if not self.files.data():
            return "Choose the training patches: a folder or a table."
        return "Checking the patches..." if self._dataset is None else ""

    def problem(self) -> str:
        """Why the patches cannot be used; empty if they can."""
        if not self._unreadable:
            return ""
        return (
            f"{self._unreadable} of the patches cannot be read. They are named above. Repair or remove them."
        )

    def isLooking(self) -> bool:
        return self._look.is_busy

    def stopLooking(self) -> None:
        """Stop the check; a run checks the other files itself."""
        self._look.cancel()

    def _on_replaced(self, before: str, now: str) -> None:
        """Other patches have their own classes; those of patches that come back are known."""
        self._tables[before] = self.classes.value(), self._form
        self._dataset = None
        table, self._form = self._tables.get(now, (None, "folders"))
        self.classes.setValue(table)

    def _on_data(self) -> None:
        """Check the chosen data in a thread, as a folder can hold many thousand files."""
        self._dataset, self._error, self._unreadable = None, None, 0
        self._checked = frozenset()
        self.tree.clearAll()
        self._keep_order()
        self.files.describeValidation("", wrong=False)
        data, val = self.files.data(), self.files.validation()
        if data:
            table = self.classes.value()
            names = None if table is None else table.names
            self._look.request(partial(look_steps, Path(data), names, Path(val) if val else None, self._form))
        else:
            self._show_found(found=False)
            self._look.cancel()
        self.valueChanged.emit()

    def _on_look(self, event: Event) -> None:
        if isinstance(event, DataFound) and event.dataset is not None:
            self._take(event.dataset, event.form)
            self.found.emit(event)
        elif isinstance(event, ValidationFound):
            self.files.describeValidation(event.words, wrong=event.wrong)
        elif isinstance(event, OrderFound) and event.found is not None:
            self._order = event
            self._order_row.propose(f"{event.found.sentence(event.names)}.")
        else:
            return
        self.valueChanged.emit()

    def _use_order(self) -> None:
        """Number the classes as the masks do; labels in file names have an order of their own."""
        table, chosen = self.classes.value(), self._order
        if chosen is None or chosen.found is None or table is None:
            return
        order = chosen.found.order
        if self._form == "names":
            self.orderChosen.emit(order)
        else:
            self.classes.setValue(ClassTable(classes=tuple(table[table.index(name)] for name in order)))
        self._order = None
        first = chosen.found.first_class
        self._order_row.say(f"The masks are read as {in_words(range(len(order)), order, first)}.")

    def _keep_order(self) -> None:
        self._order = None
        self._order_row.propose("")

    def _take(self, dataset: ImageLevelDataset, form: str) -> None:
        before, self._dataset, self._form = self._form, dataset, form
        self.tree.showDataset(dataset, FORMATS[form])
        self._show_found(found=True)
        self.classes.setNamesEditable(form == "names")
        table = self.classes.value()
        if table is None or not fits(table.names, dataset, form, before):
            self.classes.setValue(ClassTable.from_names(dataset.class_names))

    def _show_found(self, *, found: bool) -> None:
        """Tree and classes are on view once there is something in them."""
        self.tree.setVisible(found)
        self._folded.setVisible(found)

    def _on_report(self, report: DatasetReport) -> None:
        self.tree.showReport(report, FORMATS[self._form])
        self._unreadable = len(report.unreadable)
        if self._dataset is not None and report.ok:
            self._checked = frozenset(self._dataset.paths)
        self.valueChanged.emit()

    def _on_failed(self, error: Exception) -> None:
        self._error = error
        self.valueChanged.emit()
