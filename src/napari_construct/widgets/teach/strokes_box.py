"""Classes, and the strokes that are painted of them: the part of Teach that a person works in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.widgets.fields.controls import wrapped_label
from napari_construct.widgets.fields.layout import boxed, stacked
from napari_construct.widgets.layers import recolour
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.layers.strokes import set_used
from napari_construct.widgets.parts.class_colours import give_colours, in_known_colours
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.teach.brush import take_drawn
from napari_construct.widgets.teach.buttons import StrokesButtons
from napari_construct.widgets.teach.files import opened_layers
from napari_construct.widgets.teach.painting import Painting
from napari_construct.widgets.teach.requests import StrokesOpened
from napari_construct.widgets.teach.start import first_classes
from napari_construct.widgets.teach.strokes_table import StrokesTable

_HINT: Final = "Click a class, then paint on the image. Keys: 1 to 9 class, E erase, P paint, Ctrl+Z back."
_PAINT_FIRST: Final = "Press Paint first: points and shapes are painted onto a layer of strokes."


class StrokesBox(QWidget):
    """Edits the classes, and follows the layers of strokes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they are.

    Attributes
    ----------
    classes : ClassTableEditor
        The classes.
    painting : Painting
        The layers of strokes.
    tools : StrokesButtons
        Paint, take, save, open.
    table : StrokesTable
        Strokes by image.
    """

    changed = Signal()
    """Something was painted or taken back, or layers of strokes came or went."""
    classesChanged = Signal()
    fieldRequested = Signal(object)
    """The plane, or part of one, that a layer of strokes is to be made for."""
    failed = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image: Any = None
        self._row = 0
        self._keys: list[str] = []
        self._shows = False
        self._former = in_known_colours(first_classes(in_words=False))
        self.painting = Painting(viewer, self._former)
        self.classes = ClassTableEditor(self)
        self.classes.setFree(True)
        self.classes.setPromptsShown(False)
        self.classes.setValue(self._former)
        self.tools = StrokesButtons(viewer, self)
        self.table = StrokesTable(self)
        inside = QWidget(self)
        hint = wrapped_label("How to paint", "Which keys do what on a layer of strokes", self, _HINT)
        stacked(inside, self.classes, hint, self.tools)
        stacked(self, boxed("Classes", inside), boxed("Strokes", self.table))
        self.classes.valueChanged.connect(self._on_table)
        self.classes.failed.connect(self.failed)
        self.classes.classClicked.connect(self._on_class)
        self.tools.paintRequested.connect(self.paint)
        self.tools.drawnRequested.connect(self._on_drawn)
        self.table.usedChanged.connect(self._on_used)
        self.table.chosen.connect(self.takeUp)
        self.table.removed.connect(self._on_remove)
        events = viewer.layers.events
        self._layers = Follower(self, "follow_layers", [events.inserted, events.removed, events.renamed])
        self._strokes = Follower(self, "follow_strokes")
        self._labels = Follower(self, "follow_label")

    def value(self) -> ClassTable:
        """The classes."""
        return self.classes.value() or self._former

    def setValue(self, table: ClassTable) -> None:
        """Show classes; emits ``classesChanged`` if they differ."""
        self.classes.setValue(table)

    def showModel(self, table: ClassTable) -> None:
        """Show classes that a model added; their colours are not the user's wish."""
        self._shows = True
        self.classes.setValue(table)
        self._shows = False

    def showWords(self, *, shown: bool) -> None:
        """Whether the classes are described in words, which begin with some examples."""
        self.classes.setPromptsShown(shown)
        if shown and self.isAsFirst():
            self.setValue(in_known_colours(first_classes(in_words=True)))

    def isAsFirst(self) -> bool:
        """Whether the classes are those that a new user finds."""
        return self.value().names == first_classes(in_words=False).names

    def values(self) -> Mapping[str, int]:
        """The painted value of each class."""
        return self.painting.values.of(self.value())

    def setImage(self, layer: Any) -> None:
        """The image that is painted on, or None."""
        self._image = layer
        self.refresh()

    def refresh(self, *, busy: bool = False) -> None:
        """Enable what can be done."""
        strokes = bool(self.painting.layers())
        self.tools.setReady(image=self._image is not None, strokes=strokes and not busy)

    def paint(self, *_: object) -> None:
        """Paint with the selected class, on a layer that is asked for where there is none."""
        if self._image is None:
            return
        try:
            found = self.painting.to_paint(self._image)
        except ConstructError as error:
            self.failed.emit(error)
            return
        if isinstance(found, Labels):
            self.takeUp(found)
        else:
            self.fieldRequested.emit(found)

    def addField(self, layer: Labels) -> None:
        """Add a layer of strokes that was made, and paint on it."""
        self._viewer.add_layer(layer)
        self.painting.style(self.value())
        self.takeUp(layer)

    def takeUp(self, layer: Any) -> None:
        """Paint on a layer of strokes with the selected class."""
        self.painting.take_up(layer, self.value(), self._row)
        self.classes.selectClass(self._row)

    def open(self, opened: StrokesOpened) -> None:
        """Add strokes that were read, and the classes that are new."""
        table = self.value()
        new = [one for one in opened.classes if one.name not in table.names]
        if not self.painting.layers() and self.isAsFirst():
            self.setValue(opened.classes)
        elif new:
            self.setValue(ClassTable(classes=(*table.classes, *new)))
        for layer in opened_layers(opened, self.value(), self.values(), self._viewer.layers):
            self._viewer.add_layer(layer)

    def follow_layers(self) -> None:
        """Layers came, went, or have another name."""
        layers = self.painting.layers()
        before, self._keys = self._keys, [str(layer.unique_id) for layer in layers]
        self._strokes.follow([signal for one in layers for signal in (one.events.paint, one.events.set_data)])
        self._labels.follow([one.events.selected_label for one in layers])
        self.table.showLayers(layers)
        self.refresh()
        if before != self._keys:
            self.changed.emit()

    def follow_strokes(self) -> None:
        """The user painted, or took a stroke back."""
        self.changed.emit()

    def follow_label(self) -> None:
        """A digit key chose another class."""
        row = self.painting.row_of(self.value())
        if row is not None:
            self._row = row
            self.classes.selectClass(row)

    def _on_table(self, table: ClassTable | None) -> None:
        if table is None:
            return
        try:
            self.painting.follow(table)
        except ConfigurationError as error:
            self.failed.emit(error)
            self.classes.setValue(self._former)
            return
        if not self._shows:
            give_colours(self._former, table)
        self._former = table
        self.painting.style(table)
        recolour(self._viewer.layers, table)
        self.classesChanged.emit()

    def _on_class(self, row: int) -> None:
        self._row = row
        self.paint()

    def _on_drawn(self, layer: Points | Shapes) -> None:
        self._attempt(lambda: self._take_drawn(layer))

    def _take_drawn(self, layer: Points | Shapes) -> None:
        target = None if self._image is None else self.painting.to_paint(self._image)
        if not isinstance(target, Labels):
            raise ConfigurationError(_PAINT_FIRST)
        names = self.value().names
        take_drawn(layer, target, self.values()[names[min(self._row, len(names) - 1)]], self._viewer.layers)

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except ConstructError as error:
            self.failed.emit(error)

    def _on_used(self, layer: Any, used: bool) -> None:
        set_used(layer, used=used)
        self.changed.emit()

    def _on_remove(self, layer: Any) -> None:
        said = f"Remove {layer.name}? What was painted on it is lost."
        if QMessageBox.question(self, "Remove strokes", said) == QMessageBox.StandardButton.Yes:
            self._viewer.layers.remove(layer)
