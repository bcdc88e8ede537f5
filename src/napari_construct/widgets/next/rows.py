"""The rows of the form of Where next."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.widgets.fields.rows import Row
from napari_construct.widgets.parts.options import DeviceForm

ROWS: Final = (
    Row("count", "Regions", "How many regions are put in the queue", step=5),
    Row("side_um", "Size", "Side of a region", unit="µm", step=16, decimals=0),
    Row("side_px", "Size", "Side of a region in images whose pixel size is not known", unit="px", step=32),
    Row(
        "doubt",
        "Doubt",
        "How doubt is read from the probabilities of the classes. Entropy: of all of them. Margin: of the "
        "two largest",
        choices={"entropy": "Entropy", "margin": "Margin"},
    ),
    Row("diversity", "Diversity", "Weight of what looks unlike the regions before. 0: doubt and area alone"),
    Row("min_tissue", "Min. tissue", "Share of a region (0 to 1) that is tissue, at least"),
)


class QueueOptions(DeviceForm[QueueSettings]):
    """Edits ``QueueSettings``, and the device of the encoder."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(QueueSettings(), ROWS, parent)
