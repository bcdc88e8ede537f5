"""What a teacher says of the visible region, as layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_construct.data.cells.arrays import Place, part_cells
from napari_construct.data.channels.image import ChannelImage
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConstructError
from napari_construct.widgets.distil.data import opened, teacher_of
from napari_construct.widgets.distil.job import load_libraries
from napari_construct.widgets.distil.request import FileImages, LayerImages, TeacherChoice
from napari_construct.widgets.layers import METADATA_KEY, Window, plane_at, plane_on_view, region_window
from napari_construct.widgets.layers.origin import Origin, mark

if TYPE_CHECKING:
    from napari_construct.crossmodal.protocol import TeacherOutput

_STAGE: Final = "asking the teacher"


@dataclass(frozen=True, slots=True, eq=False)
class PreviewRequest:
    """One look.

    Attributes
    ----------
    images : FileImages or LayerImages
        Where they lie.
    teacher : TeacherChoice
        The teacher.
    channels : tuple of int or str
        The teacher's channels.
    placement : mapping
        Of the layers that are made; empty for files.
    dims : int
        Axes of these layers before rows and columns.
    key : object
        What was looked at, so that another look replaces this one.
    device : str
        The device.
    place : Place or None
        Which part of layers is looked at; None of files.
    """

    images: FileImages | LayerImages
    teacher: TeacherChoice
    channels: tuple[int | str, ...]
    placement: Mapping[str, Any]
    dims: int
    key: object
    device: str
    place: Place | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Previewed:
    """Result of :func:`teacher_preview_job`."""

    request: PreviewRequest
    name: str
    output: TeacherOutput
    cells: Any
    image: ChannelImage | None
    """Of files, whose image is not open."""


def preview_request(
    images: FileImages | LayerImages,
    teacher: TeacherChoice,
    channels: tuple[int | str, ...],
    layer: Any,
    viewer: Any,
    axis: int | None,
    device: str,
) -> PreviewRequest:
    """The look at the visible region of a layer, or at the first image of files.

    Raises
    ------
    InputError
        If less than 16 pixels a side are on view.
    """
    if not isinstance(images, LayerImages):
        return PreviewRequest(images, teacher, channels, {}, 0, str(images.path), device)
    window = region_window(layer, "visible", viewer.layers, viewer)
    plane = plane_on_view(layer, tuple(viewer.dims.point), window)
    index = plane.index if axis is None else (*plane.index[:axis], *plane.index[axis + 1 :])
    place = (index, *(window or _all()))
    placement = plane_at(layer, plane.index, window).placement
    key = plane.index, _plain(window)
    return PreviewRequest(
        images, teacher, channels, placement, len(plane.index), (layer.unique_id, key), device, place
    )


def teacher_preview_job(request: PreviewRequest) -> Steps[Previewed]:
    """Ask the teacher, in the worker's thread."""
    yield Event("loading the teacher", 0, 1)
    load_libraries()
    from napari_construct.crossmodal.loop.validation import teacher_cells
    from napari_construct.crossmodal.teacher_view import teacher_view
    from napari_construct.inference.cells.settings import CellSettings

    images = request.images
    if isinstance(images, LayerImages) and request.place is not None:
        dataset: Any = part_cells(images.channels, request.place, name=images.name, mpp=images.mpp)
    else:
        dataset = opened(images)
    teacher = teacher_of(request.teacher, dataset, request.device)
    if teacher is None:
        raise ConstructError("expected a teacher to ask, got none; choose one")
    yield Event(_STAGE, 0, 1)
    image, name = dataset.load(0).image, dataset.names[0]
    output = teacher.predict(teacher_view(image, teacher.spec, request.channels, name))
    yield Event(_STAGE, 1, 1)
    cells = teacher_cells(output, CellSettings())
    return Previewed(request, name, output, cells, None if isinstance(images, LayerImages) else image)


def preview_layers(made: Previewed) -> list[Layer]:
    """Foreground and cells as layers; of files the image's channels below them."""
    layers: list[Layer] = []
    placement = dict(made.request.placement)
    if made.image is not None:
        mpp = made.image.mpp
        placement = {} if mpp is None else {"scale": (mpp, mpp), "units": ("um", "um")}
        colours = ("cyan", "magenta", "yellow", "gray")
        layers += [
            Image(
                channel,
                name=f"{made.name} {name}",
                colormap=colours[min(i, 3)],
                blending="additive",
                **placement,
            )
            for i, (channel, name) in enumerate(zip(made.image.pixels, made.image.names, strict=True))
        ]
    shape = (1,) * made.request.dims + made.output.foreground.shape
    about = {"kind": "teacher", "teacher": made.request.teacher.kind}
    foreground = Image(
        made.output.foreground.reshape(shape),
        name=f"{made.name} teacher (foreground)",
        metadata={METADATA_KEY: dict(about)},
        contrast_limits=(0.0, 1.0),
        colormap="inferno",
        blending="translucent_no_depth",
        opacity=0.6,
        visible=False,
        **placement,
    )
    cells = Labels(
        np.asarray(made.cells).reshape(shape),
        name=f"{made.name} teacher (cells)",
        metadata={METADATA_KEY: dict(about)},
        opacity=0.5,
        **placement,
    )
    for layer, part in ((foreground, "foreground"), (cells, "cells")):
        mark(layer, Origin("teacher", *_hashable(made), part=part))
    return [*layers, foreground, cells]


def _hashable(made: Previewed) -> tuple[str, object]:
    return made.name, made.request.key


def _all() -> Window:
    return slice(None), slice(None)


def _plain(window: Window | None) -> tuple[int, ...]:
    return () if window is None else tuple(n for part in window for n in (part.start, part.stop))
