"""What the pixel size of the patches is: said where it is known, asked where it is not."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_construct.data.stated_mpp import StatedMpp
from napari_construct.widgets.parts.pixel_size_question import PixelSizeQuestion


class PatchSizeRow(PixelSizeQuestion):
    """Asks for the pixel size of the patches; hidden where it was set by hand."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = (
            "The patches state no pixel size. With it, the model can segment images of any resolution; "
            "without it, only images of the same pixel size"
        )
        super().__init__(tip, parent)

    def showKnown(self, found: StatedMpp | None, mpp: float | None) -> None:
        """Show where the pixel size comes from, or ask for it.

        Parameters
        ----------
        found : StatedMpp or None
            What the patches state.
        mpp : float or None
            The pixel size that is set.
        """
        if mpp is None:
            self.ask(" of the patches")
        elif found is not None and mpp == found.mpp:
            self.tell(mpp, f"from {found.source}.")
        else:
            self.hide()
