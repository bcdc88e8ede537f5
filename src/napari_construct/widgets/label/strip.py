"""All patches as small pictures in their order, with their labels as bars of colour."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QListView, QWidget

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConstructError
from napari_construct.labelling.session import LabelSession
from napari_construct.widgets.fields.controls import named, plain_tip
from napari_construct.widgets.label.picture import pixmap_of

SIDE: Final = 56
_BAR: Final = 7
_KEPT: Final = 500
"""Pictures in memory."""

_NONE: Final = "#808080"
_BROKEN: Final = "#B00020"


class _Patches(QAbstractListModel):
    """The patches of a session in an order; pictures are read when they come on view."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._session: LabelSession | None = None
        self._order: tuple[int, ...] = ()
        self._pictures: OrderedDict[int, QPixmap] = OrderedDict()

    def reset(self, session: LabelSession | None, order: Sequence[int]) -> None:
        self.beginResetModel()
        if session is not self._session:
            self._pictures.clear()
        self._session, self._order = session, tuple(order)
        self.endResetModel()

    def refresh(self, row: int) -> None:
        index = self.index(row, 0)
        self.dataChanged.emit(index, index)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self._session is None or not 0 <= index.row() < len(self._order):
            return None
        number = self._order[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            made = marked(self._picture(number), self._session.labels(number), self._session.classes)
            icon = QIcon(made)
            icon.addPixmap(made, QIcon.Mode.Selected)  # in its own colours, not in those of the selection
            return icon
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            patch = self._session.patches[number]
            said = f"{index.row() + 1}: {patch.group}, row {patch.row}, column {patch.column}"
            return plain_tip(f"{said}: {words_of(self._session, number)}")
        return None

    def _picture(self, number: int) -> QPixmap:
        if number in self._pictures:
            self._pictures.move_to_end(number)
            return self._pictures[number]
        picture = QPixmap(SIDE, SIDE)
        picture.fill(QColor(_BROKEN))
        if self._session is not None:
            try:
                whole = pixmap_of(self._session.pixels(number))
                smooth = Qt.TransformationMode.SmoothTransformation
                picture = whole.scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, smooth)
            except ConstructError:
                pass  # red; the large picture says why
        self._pictures[number] = picture
        if len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return picture


class PatchStrip(QListView):
    """Shows the patches of a session; a click goes to one. It never has the focus: keys stay with the "
    "gallery.
    """

    chosen = Signal(int)
    """Place in the order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._patches = _Patches(self)
        self.setModel(self._patches)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(SIDE, SIDE + _BAR))
        self.setGridSize(QSize(SIDE + 6, SIDE + _BAR + 4))
        bar = self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(SIDE + _BAR + bar + 12)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        named(self, "All patches", "The patches in their order. A click goes to one")
        self.clicked.connect(self._on_clicked)

    def showSession(self, session: LabelSession | None, order: Sequence[int]) -> None:
        """Show the patches of a session, or none."""
        self._patches.reset(session, order)

    def showPlace(self, place: int) -> None:
        """Select a patch by its place, and bring the next ones on view."""
        index = self._patches.index(place, 0)
        self.setCurrentIndex(index)
        self.scrollTo(index, QListView.ScrollHint.PositionAtCenter)

    def refresh(self, place: int) -> None:
        """The labels of a patch changed."""
        self._patches.refresh(place)

    def _on_clicked(self, index: QModelIndex) -> None:
        self.chosen.emit(index.row())


def marked(picture: QPixmap, labels: frozenset[int] | None, classes: ClassTable) -> QPixmap:
    """A picture over a bar: its classes in their colours; hatched for none of them; empty without labels."""
    made = QPixmap(SIDE, SIDE + _BAR)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.drawPixmap((SIDE - picture.width()) // 2, (SIDE - picture.height()) // 2, picture)
    if labels is not None:
        colours = [QColor(classes[i].colour) for i in sorted(labels)]
        width = SIDE / max(len(colours), 1)
        for i, colour in enumerate(colours):
            painter.fillRect(round(i * width), SIDE + 1, round(width), _BAR - 1, colour)
        if not colours:
            painter.fillRect(0, SIDE + 1, SIDE, _BAR - 1, Qt.BrushStyle.BDiagPattern)
            painter.setPen(QColor(_NONE))
            painter.drawRect(0, SIDE + 1, SIDE - 1, _BAR - 2)
    painter.end()
    return made


def words_of(session: LabelSession, number: int) -> str:
    """The labels of a patch in words."""
    labels = session.labels(number)
    if labels is None:
        return "not labelled"
    return ", ".join(session.classes.names[i] for i in sorted(labels)) or "none of them"
