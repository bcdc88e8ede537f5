"""The regions that the refinement erased; a click moves the view to a region."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_construct.classes import ClassTable
from napari_construct.refinement.safeguard import ErasedRegion, RefinementReport
from napari_construct.widgets.fields.controls import named, wrapped_label
from napari_construct.widgets.fields.layout import stacked, swatch

_LISTED = 200


class ErasedList(QWidget):
    """The safeguard's report: percent of changed pixels, and erased regions, largest first."""

    regionChosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._regions: Sequence[ErasedRegion] = ()
        tip = "Pixels whose class the CRF changed"
        self._summary = wrapped_label("Changes by the CRF", tip, self)
        tip = "Regions that the CRF erased. Click to go there"
        self._list = named(QListWidget(self), "Erased regions", tip)
        self._list.setMaximumHeight(110)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.itemClicked.connect(self._on_item)
        self._list.itemActivated.connect(self._on_item)
        stacked(self, self._summary, self._list)
        self.showReport(None, None)

    def showReport(self, report: RefinementReport | None, classes: ClassTable | None) -> None:
        """Replace the list; there is no report without a CRF."""
        self._list.clear()
        self._regions = () if report is None else report.erased[:_LISTED]
        self._list.setVisible(bool(self._regions))
        if report is None or classes is None:
            self._summary.setText("No CRF ran: nothing was erased.")
            return
        erased = len(report.erased)
        self._summary.setText(
            f"The CRF changed {100 * report.changed:.1f} % of the pixels and erased "
            f"{erased or 'no'} region{'' if erased == 1 else 's'}."
        )
        for region in self._regions:
            tissue = classes[region.label - 1]
            now = "unlabelled" if region.became == 0 else classes[region.became - 1].name
            item = QListWidgetItem(f"{tissue.name}, {region.area:,} px, now {now}", self._list)
            item.setIcon(swatch(tissue.colour))
            item.setToolTip(f"Row {region.centre[0]:.0f}, column {region.centre[1]:.0f}. Click to go there")

    def count(self) -> int:
        """Number of listed regions."""
        return self._list.count()

    def _on_item(self, item: QListWidgetItem) -> None:
        self.regionChosen.emit(self._regions[self._list.row(item)])
