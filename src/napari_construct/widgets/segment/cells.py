"""What Segment shows and does with a student on one channel: thresholds that act at once, maps on request."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.widgets.fields.controls import tick, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.layers import is_untouched, kept_cells
from napari_construct.widgets.parts.cell_options import CellOptions
from napari_construct.widgets.segment.cell_job import decided_job, live_settings

_TOUCHED: Final = "The cells were changed by hand and stay as they are; Segment finds them anew."


class CellsPart(QWidget):
    """Edits the thresholds of ``CellSettings``; cells that are there follow them.

    Attributes
    ----------
    options : CellOptions
        The thresholds.
    """

    valueChanged = Signal()
    mapsToggled = Signal(bool)
    decided = Signal(object)
    """Cells of other thresholds, an :class:`~napari_construct.widgets.segment.job.Outcome`."""
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.options = CellOptions(self)
        tip = "Also show the probabilities of foreground and boundary, from which the cells are decided"
        self._maps = tick("Show foreground and boundary", tip, self)
        self._said = wrapped_label("About these cells", "Whether the cells follow the thresholds", self)
        self._said.hide()
        self._live = LiveJob("Decide the cells", self)
        stacked(self, self.options, self._said, self._maps)
        self.options.valueChanged.connect(self.valueChanged)
        self._maps.toggled.connect(self.mapsToggled)
        self._live.returned.connect(self.decided)
        self._live.failed.connect(self.failed)

    def wantsMaps(self) -> bool:
        """Whether foreground and boundary are shown."""
        return bool(self._maps.isChecked())

    def setWantsMaps(self, wanted: bool) -> None:
        self._maps.setChecked(wanted)

    def follow(self, layer: Any, settings: CellSettings) -> None:
        """Decide the cells of a layer anew with the thresholds of settings, soon and in the background."""
        kept = kept_cells(layer)
        if kept is None or not is_untouched(layer):
            self.stop("" if kept is None else _TOUCHED)
        else:
            self._said.hide()
            self._live.request(partial(decided_job, kept, live_settings(kept, settings)))

    def stop(self, said: str = "") -> None:
        """Decide nothing more; say why."""
        self._live.cancel()
        self._said.setText(said)
        self._said.setVisible(bool(said))
