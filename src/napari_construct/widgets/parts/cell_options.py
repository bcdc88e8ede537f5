"""The form of ``CellSettings``: what counts as a cell."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.fields.settings_form import SettingsForm

COLOUR_ONLY: Final = ("min_confidence", "views", "crf")
"""Options of models of stained sections that mean nothing to a student on one channel."""
_SHARED: Final = ("mpp", "tile", "overlap")
"""What both kinds of settings have; edited by the form of the other kind."""
_ROWS: Final = (
    Row(
        "threshold",
        "Threshold",
        "Probability from which a pixel belongs to a cell. Lower values find fainter and larger cells",
        usual=(0.0, 1.0),
    ),
    Row(
        "seed_threshold",
        "Seed threshold",
        "A cell begins where the foreground exceeds the boundary by this much. Higher values split more "
        "touching cells",
        usual=(0.0, 1.0),
    ),
    Row("min_area", "Smallest cell", "Smaller cells are dropped", unit="px", step=5),
)


class CellOptions(SettingsForm[CellSettings]):
    """Edits the thresholds and the smallest cell of ``CellSettings``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(CellSettings(), _ROWS, parent)

    def joined(self, shared: SegmentSettings, channel: str | None = None) -> CellSettings:
        """The settings on view, with pixel size and tiles of the other form."""
        return self.value().changed(channel=channel, **{name: getattr(shared, name) for name in _SHARED})

    def take(self, settings: CellSettings, shared: SegmentSettings) -> SegmentSettings:
        """Show settings; what the other form is to show of them."""
        self.setValue(settings)
        return shared.changed(**{name: getattr(settings, name) for name in _SHARED})
