"""Asks for the pixel size of an image whose layer and file state none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QWidget

from napari_construct.widgets.layers import PixelSize, give_size, pixel_size
from napari_construct.widgets.parts.pixel_size_question import PixelSizeQuestion


class PixelSizeRow(PixelSizeQuestion):
    """Gives a layer its pixel size, and offers it for other images of the same folder.

    It is hidden while the size is known. The layer keeps what was given; other docks see it there.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Neither the layer nor its file states how large a pixel is", parent)
        self._layer: Any = None
        self._assumed: float | None = None
        self._by_folder: dict[Path, tuple[float, str]] = {}
        self.answered.connect(self._give)

    def showLayer(self, layer: Any, *, overruled: bool = False) -> None:
        """Ask for the size of a layer, unless it is known or ``overruled`` by an option."""
        self._layer = layer
        size = PixelSize(None) if layer is None else pixel_size(layer)
        folder = _folder(layer)
        if size.given and size.mpp is not None and folder is not None:
            self._by_folder[folder] = size.mpp, layer.name
        if layer is None or overruled or not (size.mpp is None or size.given):
            self.hide()
        elif size.mpp is None:
            assumed = "" if self._assumed is None else f"{self._assumed:.4g}, as the training patches"
            self.ask("", assumed, None if folder is None else self._by_folder.get(folder))
        else:
            self.tell(size.mpp, "as you chose", changes=True)

    def showModel(self, patch_mpp: float | None) -> None:
        """What an unknown size is taken for: that of the model's training patches."""
        self._assumed = patch_mpp

    def _give(self, mpp: float | None) -> None:
        if self._layer is not None:
            give_size(self._layer, mpp)  # its event leads back to showLayer


def _folder(layer: Any) -> Path | None:
    path = None if layer is None else layer.source.path
    return None if path is None else Path(str(path)).parent
