"""The list of corrected masks, each with the painted pixels of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari.layers import Labels
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from napari_construct.widgets.fields.controls import named, plain_tip
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.retrain.gather import Corrected, gather

if TYPE_CHECKING:
    import napari.viewer

_PAUSE_MS: Final = 300
"""From a stroke to its count: a stroke comes in many parts."""

_ROWS: Final = 5


class CorrectionsList(QWidget):
    """Follows the masks of a viewer; a mask whose tick is taken away is not used.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks are listed.
    """

    changed = Signal()

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer: Any = viewer
        self._found: tuple[Corrected, ...] = ()
        self._off: set[str] = set()
        tip = "Masks that you painted on, with the painted pixels of each class. One without tick is not used"
        self.tree = named(QTreeWidget(self), "Corrected masks", tip)
        self.tree.setColumnCount(2)
        self.tree.setHeaderLabels(["Corrected mask", "painted pixels"])
        self.tree.setRootIsDecorated(False)
        height = self.tree.header().sizeHint().height() + _ROWS * self.tree.fontMetrics().lineSpacing() + 14
        self.tree.setFixedHeight(height)
        stacked(self, self.tree)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self.refresh)
        self.tree.itemChanged.connect(self._on_ticked)
        events = viewer.layers.events
        self._layers = Follower(self, "follow_layers", [events.inserted, events.removed, events.renamed])
        self._drawing = Follower(self, "follow_painting")
        self.follow_layers()
        self.refresh()

    def every(self) -> tuple[Corrected, ...]:
        """All corrected masks."""
        return self._found

    def value(self) -> tuple[Corrected, ...]:
        """Those that are used."""
        return tuple(one for one in self._found if one.name not in self._off)

    def follow_layers(self) -> None:
        """Listen to the present masks."""
        masks = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        events = [layer.events for layer in masks]
        self._drawing.follow([e for one in events for e in (one.paint, one.set_data, one.metadata)])
        self._timer.start()

    def follow_painting(self) -> None:
        """Count again soon."""
        self._timer.start()

    def refresh(self) -> None:
        """Look at all masks now."""
        self._timer.stop()
        self._found = gather(list(self._viewer.layers))
        before = self.tree.blockSignals(True)
        self.tree.clear()
        for one in self._found:
            words = ", ".join(f"{name} {count:,}" for name, count in one.counts.items())
            item = QTreeWidgetItem([one.name, words])
            for column, text in enumerate((one.name, words)):
                item.setToolTip(column, plain_tip(text))
            off = one.name in self._off
            item.setCheckState(0, Qt.CheckState.Unchecked if off else Qt.CheckState.Checked)
            self.tree.addTopLevelItem(item)
        self.tree.resizeColumnToContents(0)
        self.tree.blockSignals(before)
        self.changed.emit()

    def _on_ticked(self, item: QTreeWidgetItem, *_: object) -> None:
        if item.checkState(0) == Qt.CheckState.Checked:
            self._off.discard(item.text(0))
        else:
            self._off.add(item.text(0))
        self.changed.emit()
