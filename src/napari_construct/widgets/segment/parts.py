"""The parts of Segment: settings of models of stained sections and of students, and which are on view."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.controls import tick
from napari_construct.widgets.fields.layout import boxed, fold, stacked
from napari_construct.widgets.parts.cell_options import COLOUR_ONLY
from napari_construct.widgets.parts.class_list import ClassList
from napari_construct.widgets.parts.options import SegmentOptions
from napari_construct.widgets.segment.cells import CellsPart
from napari_construct.widgets.segment.kept import Kept
from napari_construct.widgets.segment.model import SegmentModel

_CLASS_MAPS: Final = (
    "Also show how strongly each place of the image speaks for each class: the class activation maps (CAM), "
    "below the mask"
)
_DISTANCE_MAP: Final = (
    "Also show how far each place is from the images that the model was trained on (out of distribution), "
    "below the mask. Models without such a guard show none"
)


_NOT_OF_SLIDES: Final = (
    "Of a whole slide no maps are kept. Choose the visible part, or the whole image in memory, to see them. "
    "On the command line, segment writes those of a slide (--outputs cams,ood)"
)


class SegmentParts(QObject):
    """Edits settings of either kind; the dock lays out the parts.

    Parameters
    ----------
    model : SegmentModel
        Its words and its class table are parts, too.

    Attributes
    ----------
    classes : ClassList
        The classes that are looked for, and what was found of them.
    class_maps, distance_map : QCheckBox
        Whether these maps are shown.
    cells : CellsPart
        What counts as a cell, in the place of the classes.
    options : SegmentOptions
        Everything else, of both kinds.
    found, cells_box : QGroupBox
        Classes and their maps; cells.
    """

    def __init__(self, model: SegmentModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.classes = ClassList(parent)
        self.class_maps = tick("Show class maps", _CLASS_MAPS, parent)
        self.distance_map = tick("Show distance map", _DISTANCE_MAP, parent)
        self.cells = CellsPart(parent)
        self.options = SegmentOptions(parent)
        inside = QWidget(parent)
        stacked(inside, self.classes, self.class_maps, self.distance_map)
        self.found = boxed("Classes in the image", inside)
        self.cells_box = boxed("Cells", self.cells)
        self.cells_box.hide()
        self._words = boxed("Words only, no training", model.words)
        self._words.hide()
        tip = "Colours, which classes are drawn or left out of scores; descriptions for models in words"
        self._table = fold("Class table", tip, model.table, parent)
        tip = "Device, tiles, views, confidence and borders"
        self._folded = fold("Options", tip, self.options, parent)

    def inOrder(self) -> tuple[QWidget, ...]:
        """What the dock lays out, from top to bottom."""
        return self._words, self.cells_box, self.found, self._table, self._folded

    def value(self, *, student: bool, channel: str | None = None) -> SegmentSettings | CellSettings:
        """The settings on view; a student looks at a channel.

        Raises
        ------
        ConfigurationError
            If they contradict each other.
        """
        if not student:
            return self.options.value().changed(classes=self.classes.value())
        return self.cells.options.joined(self.options.value(), channel=channel)

    def setValue(self, value: SegmentSettings | CellSettings) -> None:
        """Show settings."""
        if isinstance(value, CellSettings):
            self.options.setValue(self.cells.options.take(value, self.options.value()))
            return
        self.classes.setValue(value.classes)
        self.options.setValue(value.model_copy(update={"classes": None}))

    def problem(self, *, student: bool) -> str:
        """Why the settings cannot be run; empty if they can."""
        return self.options.problem() or (self.cells.options.problem() if student else self.classes.problem())

    def showWords(self, *, shown: bool) -> None:
        """Show what a model without training takes; the class table has its descriptions."""
        self._words.setVisible(shown)
        if shown:
            self._table.expand(animate=False)

    def showKind(self, *, student: bool) -> None:
        """Show what applies to the model: classes and their table, or what counts as a cell."""
        self.cells_box.setVisible(student)
        for part in (self.found, self._table):
            part.setVisible(not student)
        for key in COLOUR_ONLY:
            self.options.setRowVisible(key, not student)

    def showWhole(self, *, slide: bool) -> None:
        """Offer the maps of an image, or say why there are none of a whole slide."""
        for box, tip in ((self.class_maps, _CLASS_MAPS), (self.distance_map, _DISTANCE_MAP)):
            box.setEnabled(not slide)
            box.setToolTip(_NOT_OF_SLIDES if slide else tip)

    def begin(self) -> None:
        """A run begins: what was found before goes."""
        self.classes.clearOutcome()
        self.cells.stop()

    def recall(self, kept: Kept) -> None:
        """Start as the last run was; the settings of stained sections come with their model."""
        self.class_maps.setChecked(kept.class_maps())
        self.distance_map.setChecked(kept.distance_map())
        self.cells.setWantsMaps(kept.cell_maps())
        if (cells := kept.cells()) is not None:
            self.cells.options.setValue(cells)
        self.options.setDevice(kept.device())
