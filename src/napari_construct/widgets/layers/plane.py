"""A plane of an image layer as RGB, for layers of any type."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data import rgb as _rgb
from napari_construct.data.channels.arrays import as_channels
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.limits import MAX_PIXELS, check_size
from napari_construct.data.slides.slide import Slide
from napari_construct.data.stored import RED_GREEN_BLUE
from napari_construct.events import Doubt
from napari_construct.widgets.layers.pixel_size import layer_shape, own_file, pixel_size
from napari_construct.widgets.layers.place import (
    METADATA_KEY,
    Window,
    coarser,
    placement_of,
    without_first_axis,
)
from napari_construct.widgets.layers.slide_levels import FinestLevel
from napari_construct.widgets.layers.slides import is_large, read_from_file


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One plane of an image layer at the start of a job.

    Attributes
    ----------
    name : str
        The layer's name.
    data : array-like
        The whole array at full resolution, not read yet: numpy, dask or zarr.
    index : tuple of int
        The plane: one index for each axis before rows and columns; empty for a single image.
    placement : mapping
        Keyword arguments that place a new layer of the same number of axes on this plane.
    mpp : float or None
        Micrometres per pixel: of the layer if its units are lengths, else of its file if that states it.
    mpp_file : str
        Name of the file that states the pixel size; empty where the layer does, or nothing does.
    notices : tuple of str
        Warnings for the user.
    path : str or None
        File of exactly this plane, if napari knows it.
    window : tuple of slice or None
        Rows and columns of the region; None for the whole plane.
    layer : hashable
        ``unique_id`` of the layer.
    channel : str
        Name of the channel that the plane is; empty where nothing says so.
    dropped : int
        How many leading axes a result leaves out, which then is shown along all of them.
    slide : Slide or None
        The slide whose file is read in place of the layer's data.
    """

    name: str
    data: Any
    index: tuple[int, ...]
    placement: Mapping[str, Any]
    mpp: float | None = None
    mpp_file: str = ""
    notices: tuple[str, ...] = ()
    path: str | None = None
    window: Window | None = None
    layer: Hashable = None
    channel: str = ""
    dropped: int = 0
    slide: Slide | None = None

    def for_model(self, predictor: Any, mpp: float | None) -> Plane:
        """The plane as a model looks at it: of a large slide read at the model's resolution, else itself.

        Parameters
        ----------
        predictor : Predictor
            The model.
        mpp : float or None
            Micrometres per pixel of the layer that the user gave.

        Raises
        ------
        InputError
            If the part is too large, or the file is damaged.
        """
        if self.slide is None or not is_large(self.slide):
            return self
        from napari_construct.inference.slides.part import read_slide_part

        rows, columns = ((part.start, part.stop) for part in self.window or (slice(None),) * 2)
        part = read_slide_part(
            self.slide,
            predictor,
            None if rows == (None, None) else rows,
            None if columns == (None, None) else columns,
            mpp=self.other_size(mpp),
        )
        corner = tuple(span.start for span in part.window)
        before = (0, 0) if self.window is None else tuple(span.start for span in self.window)
        shift = corner[0] - before[0], corner[1] - before[1]
        placement = coarser(dict(self.placement), part.step, shift)
        return replace(self, data=part.pixels, window=None, placement=placement, mpp=part.mpp, slide=None)

    def other_size(self, given: float | None) -> float | None:
        """Micrometres per pixel of the layer where they are not those of its slide; None where they are."""
        own = None if self.slide is None or self.slide.mpp is None else math.sqrt(math.prod(self.slide.mpp))
        mpp = self.mpp if given is None else given
        return None if mpp is None or (own is not None and math.isclose(mpp, own, rel_tol=0.02)) else mpp

    def rgb(self) -> _rgb.Shown:
        """Read the plane: (h, w, 3) uint8, where it has data, and notices. Slow for lazy arrays.

        Raises
        ------
        InputError
            If the plane is too small, too large, or its values are no brightness.
        """
        key = (*self.index, *(self.window or ()))
        if self.window is not None:
            size = (part.stop - part.start for part in self.window)
            check_size(self.name, *size, MAX_PIXELS, remedy="zoom in, or choose a smaller region")
        shown = _rgb.as_shown(self.data[key] if key else self.data, name=self.name)
        return shown._replace(notices=self.notices + shown.notices)

    def channels(self) -> ChannelImage:
        """Read the plane as channels: one, or red, green and blue of a colour layer. Slow for lazy arrays.

        Raises
        ------
        InputError
            If the plane is too small, too large, or its values are no brightness.
        """
        key = (*self.index, *(self.window or ()))
        values = self.data[key] if key else self.data
        if values.ndim == 2:
            return as_channels(values, name=self.name, names=(self.channel,) if self.channel else None)
        return as_channels(values[..., :3], name=self.name, names=RED_GREEN_BLUE, axis=-1)

    def size_used(self, given: float | None) -> tuple[float | None, tuple[str, ...]]:
        """Micrometres per pixel, ``given`` or of the plane; and where they are from, if not the layer."""
        if given is not None or not self.mpp_file:
            return (self.mpp if given is None else given), ()
        return self.mpp, (f"pixel size {self.mpp:.4g} µm, read from its file",)

    def embed(self, array: NDArray[Any]) -> NDArray[Any]:
        """(h, w) as an array with the result's number of axes, of length one before rows and columns."""
        return array.reshape((1,) * (len(self.index) - self.dropped) + array.shape)


def is_source(layer: Any) -> bool:
    """Whether a layer can be segmented: an image that is no result of this plugin."""
    return type(layer).__name__ == "Image" and METADATA_KEY not in layer.metadata


def plane_on_view(layer: Any, point: tuple[float, ...], window: Window | None = None) -> Plane:
    """The plane of an image layer at a position in the viewer, or a region of it.

    Rows and columns are the layer's last two axes; the axes before them are planes.

    Parameters
    ----------
    layer : napari.layers.Image
        The source; a multiscale image is read at full resolution.
    point : tuple of float
        World position of the visible slice, ``viewer.dims.point``.
    window : tuple of slice, optional
        Rows and columns of the region.
    """
    shape = layer_shape(layer)
    coordinates = np.asarray(layer.world_to_data(point))[-layer.ndim :]
    index = tuple(
        int(np.clip(np.rint(c), 0, n - 1)) for c, n in zip(coordinates[:-2], shape[:-2], strict=True)
    )
    return plane_at(layer, index, window)


def plane_at(layer: Any, index: tuple[int, ...], window: Window | None = None) -> Plane:
    """The plane of an image layer at an index, or a region of it.

    Parameters
    ----------
    layer : napari.layers.Image
        The source.
    index : tuple of int
        One for each axis before rows and columns.
    window : tuple of slice, optional
        Rows and columns of the region.
    """
    size = pixel_size(layer)
    slide = read_from_file(layer)
    data = layer.data[0] if layer.multiscale else layer.data
    return Plane(
        name=layer.name,
        data=data if slide is None else FinestLevel(slide),
        index=index,
        placement=placement_of(layer, index, window),
        mpp=size.mpp,
        mpp_file="" if size.file is None else size.file.name,
        notices=_channel_notice(layer, layer_shape(layer)),
        path=None if index else own_file(layer),
        window=window,
        layer=layer.unique_id,
        slide=slide,
    )


def channel_at(plane: Plane, layer: Any, axis: int, number: int, name: str) -> Plane:
    """The plane of one channel, where an axis of a layer counts channels; its result belongs to all of them.

    Parameters
    ----------
    plane : Plane
        Of any channel.
    layer : napari.layers.Image
        Its layer.
    axis : int
        Of the channels.
    number : int
        Which channel.
    name : str
        What it is called.
    """
    index = (*plane.index[:axis], number, *plane.index[axis + 1 :])
    made = replace(plane_at(layer, index, plane.window), channel=name, notices=())
    if len(index) == 1:
        made = replace(made, path=own_file(layer))
    fewer = without_first_axis(dict(made.placement)) if axis == 0 else None
    return made if fewer is None else replace(made, placement=fewer, dropped=1)


def _channel_notice(layer: Any, shape: tuple[int, ...]) -> tuple[str, ...]:
    if layer.rgb or len(shape) != 3 or shape[0] != 3:
        return ()
    text = (
        f"{layer.name}: one of three planes is read as greyscale. If the planes are red, green and blue, "
        "merge them to RGB first (right-click on the layer)"
    )
    return (Doubt(text),)
