"""The form of ``CellSettings``: what counts as a cell."""

from __future__ import annotations

from typing import Any, Final

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
    Row(
        "split_tolerance",
        "Split tolerance",
        "Touching cells are split at a waist that is narrower than what it joins by this much on each side. "
        "Higher values split less",
        unit="px",
        step=0.5,
        usual=(0.5, 10.0),
    ),
    Row("min_area", "Smallest cell", "Smaller cells are dropped", unit="px", step=5),
)


_CHANNEL: Final = Row(
    "channel",
    "Channel",
    "Name or number (from 0) of the channel that the model looks at. Empty takes the only one, or the one "
    "that is called as a nuclear stain (DAPI, Hoechst, DNA ...)",
    hint="the nuclear stain",
    live=True,
)


class CellOptions(SettingsForm[CellSettings]):
    """Edits the thresholds and the smallest cell of ``CellSettings``.

    Parameters
    ----------
    channel : bool
        Whether the channel is typed here, too: it is the same in many images.
    """

    def __init__(self, parent: QWidget | None = None, *, channel: bool = False) -> None:
        super().__init__(CellSettings(), (_CHANNEL, *_ROWS) if channel else _ROWS, parent)

    def joined(self, shared: SegmentSettings, **changes: Any) -> CellSettings:
        """The settings on view, with pixel size and tiles of the other form."""
        return self.value().changed(**{name: getattr(shared, name) for name in _SHARED}, **changes)

    def take(self, settings: CellSettings, shared: SegmentSettings) -> SegmentSettings:
        """Show settings; what the other form is to show of them."""
        self.setValue(settings)
        return shared.changed(**{name: getattr(settings, name) for name in _SHARED})
