"""The network's output for an image: expensive to compute, cheap to reuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_construct.types import BoolMask, FloatArray, RGBImage, ShortRepr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Activation(ShortRepr):
    """CAM logits of a whole image on the network's own grid, before any decision.

    Attributes
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB, as given.
    logits : ndarray
        (k, gh, gw) float32, tau times the cosine; mean over views.
    rescaled : ndarray or None
        (k, gh, gw) float32 in [0, 1]: ReLU and per-class min-max of each view, then the mean over
        views; only of models with the published preset.
    cells : tuple of float
        Extent of the image in rows and columns of the grid; the last cells may be cut.
    stride : int
        Pixels per cell at the model's resolution.
    mpp : float or None
        Micrometres per pixel of ``image``.
    distances : ndarray or None
        (dh, dw) float32: how far windows around the cells of a coarser grid are from the training patches;
        None of models without a guard.
    distance_cells : tuple of float
        Extent of the image in cells of that grid.
    distance_window : float
        Side of a training patch in these cells.
    valid : ndarray or None
        (h, w) bool, False where the image has no data; None where all of it is valid.
    name : str
        Name of the image.
    notices : tuple of str
        Notices, one sentence each.
    record : mapping
        Device, tiles, views, resolution, start and seconds.
    """

    image: RGBImage
    logits: FloatArray
    rescaled: FloatArray | None
    cells: tuple[float, float]
    stride: int
    mpp: float | None = None
    valid: BoolMask | None = None
    name: str = "image"
    notices: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    distances: FloatArray | None = None
    distance_cells: tuple[float, float] = (1.0, 1.0)
    distance_window: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.image.shape[0], self.image.shape[1]
