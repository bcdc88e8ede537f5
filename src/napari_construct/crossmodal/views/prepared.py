"""An image as the student is trained on it: its channel and the targets at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.protocol import TeacherOutput
from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.channels.choose import channel_index
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.normalise import normalised_channel
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.resample import model_shape
from napari_construct.inference.cells.maps import resized_maps
from napari_construct.losses.boundary_band import border_map, boundary_targets
from napari_construct.types import FloatArray

MAPS: Final = ("foreground", "boundary", "band", "truth", "truth_boundary", "known", "inside")
"""Targets in their order: the teacher's foreground and boundary, the band around its contours, drawn cells
and their borders, where cells were drawn, and where there is an image at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One training image.

    Attributes
    ----------
    image : Tensor
        (c, h, w) float16 in [0, 1]: the channels that the network sees.
    maps : Tensor
        (m, h, w) uint8, 255 is 1: :data:`MAPS`.
    diameter : float or None
        Median diameter of its cells in pixels, of circles of equal area: drawn cells, else the teacher's.
    """

    image: Float[Tensor, "c h w"]
    maps: UInt8[Tensor, "m h w"]
    diameter: float | None = None

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.image.numel() * 2 + self.maps.numel()


def prepare(item: CellItem, output: TeacherOutput | None, config: DistilConfig, name: str) -> Prepared:
    """Bring an image, what the teacher says of it and its truth to the student's resolution.

    Parameters
    ----------
    item : CellItem
        The image, with truth where it is to be used.
    output : TeacherOutput or None
        Of the teacher; None trains on the truth alone.
    config : DistilConfig
        Channel, resolution, width of the band.
    name : str
        Of the image in errors.

    Raises
    ------
    InputError
        If the teacher's maps are not of the image's size, or image and student differ more than eightfold in
        resolution.
    """
    image = item.image
    planes = network_view(image, config, name)
    size = (planes.shape[1], planes.shape[2])
    shape = model_shape(size, image.mpp, config.mpp, name)
    mpp = config.mpp if shape != size else image.mpp
    width = config.band_px if mpp is None else config.band_um / mpp
    maps, cells = torch.zeros((len(MAPS), *shape), dtype=torch.uint8), None
    maps[MAPS.index("inside")] = 255
    if output is not None:
        if output.foreground.shape != size:
            raise InputError(
                f"{name}: expected the teacher's output of the image's {size[0]} x {size[1]} pixels, got "
                f"{output.foreground.shape[0]} x {output.foreground.shape[1]}; let it see the same image"
            )
        foreground = resized_maps(output.foreground[None], shape)[0]
        boundary = None if output.boundary is None else resized_maps(output.boundary[None], shape)[0]
        cells = None if output.instances is None else nearest(output.instances, shape)
        targets = boundary_targets(foreground, cells, boundary, width)
        _put(maps, "foreground", foreground)
        _put(maps, "boundary", targets.boundary)
        _put(maps, "band", targets.band)
    if item.truth is not None:
        cells = nearest(item.truth, shape)
        _put(maps, "truth", cells > 0)
        _put(maps, "truth_boundary", border_map(cells))
        maps[MAPS.index("known")] = 255
    diameter = None if cells is None else median_diameter(cells)
    return Prepared(torch.from_numpy(resized_maps(planes, shape)).half(), maps, diameter)


def network_view(image: ChannelImage, config: DistilConfig, name: str) -> FloatArray:
    """(c, h, w) float32 in [0, 1]: the channels that the network sees, each normalised by its percentiles.

    A part of an image is normalised by the percentiles of the whole, as it is where the whole is segmented.

    Raises
    ------
    ConfigurationError
        If the image lacks one of them.
    """
    chosen = [channel_index(image.names, which, f"{name}: channel") for which in config.channels]
    return np.stack([normalised_channel(image, i, config.low, config.high) for i in chosen])


def median_diameter(cells: NDArray[np.int32]) -> float | None:
    """Median over cells (h, w) of the diameter of a circle of equal area, in pixels; None without cells."""
    areas = np.unique(cells[cells > 0], return_counts=True)[1]
    return float(np.median(2 * np.sqrt(areas / np.pi))) if areas.size else None


def nearest(labels: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Labels (h, w) at another size: each pixel takes the label under its centre."""
    if labels.shape == shape:
        return labels
    rows, columns = (
        ((np.arange(n) + 0.5) * (size / n)).astype(np.intp)
        for n, size in zip(shape, labels.shape, strict=True)
    )
    found: NDArray[np.int32] = labels[rows[:, None], columns]
    return found


def _put(maps: Tensor, name: str, values: NDArray[np.generic]) -> None:
    maps[MAPS.index(name)] = torch.from_numpy(np.rint(np.asarray(values, np.float32) * 255).astype(np.uint8))
