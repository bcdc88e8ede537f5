"""The mask of a slide on view while a run writes it."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.files.filling_pyramid import layer_of_pyramid
from napari_construct.widgets.files.stored_pyramid import PYRAMID, UNFINISHED
from napari_construct.widgets.layers import METADATA_KEY, keep_outcome, mark, take_over
from napari_construct.widgets.parts.class_colours import dress
from napari_construct.widgets.segment.slide_job import MaskBegun, SlideOutcome

_SHOW_MS: Final = 500
"""Between two pictures of a mask that fills."""


class SlideMask(QWidget):
    """Adds the layer of a run, draws it again as it fills, and gives it what was found.

    A layer of the same pyramid, of an earlier run or opened from its file, becomes the new one: what it
    showed is replaced on disk.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layer is added.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hide()
        self._viewer = viewer
        self._layer: Any = None
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.setInterval(_SHOW_MS)
        self._turn.timeout.connect(self._draw)

    def layer(self) -> Any:
        """The layer of the last run, or None."""
        return self._layer

    def begin(self, begun: MaskBegun) -> None:
        """Bring the layer on view, as far as an earlier run filled it."""
        self._layer = self._shown(begun.mask.layer)

    def grow(self) -> None:
        """Draw what was written, soon."""
        if not self._turn.isActive():
            self._turn.start()

    def finish(self, outcome: SlideOutcome) -> Any:
        """Give the layer its table, record and outcome; the layer, which is in the viewer."""
        layer = self._layer = self._shown(outcome.mask.layer)
        known = dict(layer.metadata[METADATA_KEY]) | {"record": dict(outcome.record)}
        known.pop(UNFINISHED, None)
        layer.metadata = {**layer.metadata, METADATA_KEY: known}
        layer.features = dict(outcome.features)
        keep_outcome(layer, outcome.outcome)
        mark(layer, outcome.origin)
        self.end()
        return layer

    def end(self) -> None:
        """The run is over: draw the rest."""
        self._turn.stop()
        self._draw()

    def _shown(self, new: Any) -> Any:
        """The layer in the viewer: a new one, or one of the same pyramid with the data of the new one."""
        path = new.metadata[METADATA_KEY][PYRAMID]
        former = layer_of_pyramid(self._viewer.layers, path)
        if former is None:
            dress(new)
            self._viewer.layers.append(new)
            return new
        if former.data[0] is not new.data[0]:
            take_over(former, new)
        return former

    def _draw(self) -> None:
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.refresh(extent=False)
