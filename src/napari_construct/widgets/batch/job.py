"""The job behind Batch, without a widget: find the images, run them, make layers of what came from layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_construct.batch.entries import Entry
from napari_construct.batch.settings import BatchSettings
from napari_construct.data.channels.arrays import as_channels
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.images import ImageFile
from napari_construct.events import Event, Steps
from napari_construct.export.own_files import is_pyramid
from napari_construct.reading.names import found_as
from napari_construct.reading.places import is_file
from napari_construct.results.areas import class_pixels
from napari_construct.results.stored_pyramid import open_pyramid
from napari_construct.widgets.files.stored import layers_of, placement
from napari_construct.widgets.files.stored_pyramid import pyramid_layers
from napari_construct.widgets.jobs.plans import images_plan
from napari_construct.widgets.jobs.predictors import GetPredictor, is_student
from napari_construct.widgets.layers import (
    Origin,
    Plane,
    cells_layer,
    label_features,
    labels_layer,
    layer_shape,
    mark,
    plane_at,
    stacked_cells,
)
from napari_construct.widgets.layers.place import without_first_axis
from napari_construct.widgets.layers.slide_levels import slide_arrays
from napari_construct.widgets.layers.slides import slide_options
from napari_construct.widgets.parts.channel_rows import channels_of

if TYPE_CHECKING:
    from napari_construct.batch.report import BatchReport
    from napari_construct.batch.sources import Source
    from napari_construct.inference.activation.predictor import Predictor


_LONGEST_STEM: Final = 50
"""Letters of a layer's name in file names, which may have 255 bytes: four a letter, with endings."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerInput:
    """An image layer, plane by plane, as it was when the batch was started."""

    name: str
    stem: str
    planes: tuple[Plane, ...]
    shape: tuple[int, ...]
    channels: tuple[int, tuple[str, ...]] | None = None
    """The axis that counts channels, and their names."""

    def of_channels(self) -> LayerInput:
        """Without the axis of channels: its planes hold all channels."""
        if self.channels is None:
            return self
        axis, shape = self.channels[0], self.shape
        first = tuple(plane for plane in self.planes if plane.index[axis] == 0)
        return replace(self, planes=first, shape=shape[:axis] + shape[axis + 1 :])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SourcesFound(Event):
    """Keys and names of the images, in their order."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class BatchRequest:
    """One batch.

    Attributes
    ----------
    inputs : tuple of Path or LayerInput
        Files, folders and layers.
    settings : BatchSettings
        Model, outputs and how images are segmented.
    output : Path
        The folder of the results.
    get_predictor : callable
        Loads the model of the settings.
    restart : bool
        Whether finished images are segmented again.
    overwrite : bool
        Whether files that napari-construct did not make are replaced, too.
    """

    inputs: tuple[Path | LayerInput, ...]
    settings: BatchSettings
    output: Path
    get_predictor: GetPredictor
    restart: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BatchOutcome:
    """The report, and label layers for the image layers among the inputs."""

    report: BatchReport
    layers: tuple[Labels, ...]


def layer_input(layer: Any) -> LayerInput:
    """All planes of an image layer."""
    shape = layer_shape(layer)
    planes = tuple(plane_at(layer, index) for index in product(*map(range, shape[:-2])))
    stem = re.sub(r"[^\w\-]+", "_", layer.name).strip("_")[:_LONGEST_STEM] or "layer"
    return LayerInput(layer.name, stem, planes, shape, channels_of(layer))


def batch_job(request: BatchRequest) -> Steps[BatchOutcome]:
    """The whole job, in the worker's thread."""
    settings = request.settings
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    from napari_construct.batch.runner import run_batch_steps
    from napari_construct.batch.sources import Found, announced, look_for_sources

    student = is_student(predictor)
    yield Event("looking for images", 0, 1)
    paths = [one for one in request.inputs if isinstance(one, Path)]
    layers = [one for one in request.inputs if isinstance(one, LayerInput)]
    layers = [one.of_channels() for one in layers] if student else layers
    files = look_for_sources(paths, output=request.output, channels=student) if paths else Found(())
    sources = list(files.sources)
    for one in layers:
        taken = {source.stack or source.stem for source in sources}
        sources += _sources(one, settings.segment.mpp, taken, channels=student)
    found = tuple((source.key, source.stem) for source in sources)
    yield SourcesFound("looking for images", 1, 1, items=found)
    yield images_plan(f"batch {settings.model}", settings.segment, len(sources), [("writing", 0.3)])
    steps = run_batch_steps(
        sources,
        predictor,
        settings,
        request.output,
        restart=request.restart,
        overwrite=request.overwrite,
    )
    report = yield from announced(files.notices, steps)
    yield Event("making the layers", 0, 1)
    wanted = layers if ("cells" if student else "mask") in settings.outputs else []
    make = _cells_layer if student else _layer
    made = [make(one, report, predictor, settings.model) for one in wanted]
    return BatchOutcome(report, tuple(layer for layer in made if layer is not None))


def _sources(
    given: LayerInput, mpp: float | None, taken: Collection[str], *, channels: bool = False
) -> list[Source]:
    """The planes of a layer, under a name that is not ``taken``.

    ``mpp`` is the pixel size of the settings, which goes before the layer's.
    """
    from napari_construct.batch.sources import array_source

    def reader(plane: Plane) -> Callable[[], ImageFile]:
        def read() -> ImageFile:
            shown = plane.rgb()
            used, stated = plane.size_used(mpp)
            return ImageFile(shown.rgb, used, (*shown.notices, *stated), Path(plane.name), shown.valid)

        return read

    def channel_reader(plane: Plane) -> Callable[[], ChannelImage]:
        def read() -> ChannelImage:
            image = plane.channels() if given.channels is None else _all_channels(plane, *given.channels)
            used, stated = plane.size_used(mpp)
            return replace(image, mpp=used, notices=(*image.notices, *stated))

        return read

    made = channel_reader if channels else reader
    planes = len(given.planes)
    stem = next(name for name in _names(given.stem) if name.casefold() not in map(str.casefold, taken))
    return [
        array_source(given.name, made(plane), stem=stem, plane=i, planes=planes)
        for i, plane in enumerate(given.planes)
    ]


def _all_channels(plane: Plane, axis: int, names: tuple[str, ...]) -> ChannelImage:
    key = (*plane.index[:axis], slice(None), *plane.index[axis + 1 :])
    return as_channels(plane.data[key], name=plane.name, names=names, axis=0)


def _names(stem: str) -> Iterator[str]:
    """A name, and the same with numbers."""
    yield stem
    yield from (f"{stem}_{number}" for number in count(2))


def _done(given: LayerInput, report: BatchReport) -> list[Entry | None]:
    """The entry of each plane of a layer; None of one that failed."""
    keys = [given.name] if len(given.planes) == 1 else [f"{given.name}#{i}" for i in range(len(given.planes))]
    entries = {entry.key: entry for entry in report.entries}
    return [entries[key] if entries[key].state == "done" else None for key in keys]


def _cells_layer(given: LayerInput, report: BatchReport, _: object, model: str) -> Labels | None:
    """The cells of a layer's planes without its channels; planes that failed are empty."""
    from napari_construct.results.read import load_result

    done = _done(given, report)
    if not any(done):
        return None
    results = [None if one is None else load_result(report.output / one.files["record"]) for one in done]
    arrays, features = stacked_cells(results)
    empty = [np.zeros_like(arrays[0])] * (len(done) - len(arrays))  # those before the first result
    place, axis = given.planes[0].placement, None if given.channels is None else given.channels[0]
    shape = given.shape
    if axis is not None:
        fewer = without_first_axis(dict(place)) if axis == 0 else None
        shape = shape if fewer is not None else (*shape[:axis], 1, *shape[axis:])
        place = place if fewer is None else fewer
    record = {"batch": str(report.output)}
    numbers = np.stack([*empty, *arrays]).reshape(shape)
    layer = cells_layer(numbers, given.name, features=features, record=record, **place)
    mark(layer, Origin("batch", given.planes[0].layer, model=model))
    return layer


def _layer(given: LayerInput, report: BatchReport, predictor: Predictor, model: str) -> Labels | None:
    """The masks of a layer's planes in its own shape; planes that failed are empty."""
    from napari_construct.data.masks import read_mask

    done = _done(given, report)
    if not any(done):
        return None
    labels = np.zeros((len(done), *given.shape[-2:]), np.uint8)
    for i, entry in enumerate(done):
        if entry is not None:
            labels[i] = read_mask(report.output / entry.files["mask"])
    names = predictor.classes.names
    pixels = class_pixels(labels, len(names))
    layer = labels_layer(
        labels.reshape(given.shape),
        predictor.classes,
        given.name,
        features={"index": list(range(1, len(names) + 1)), "class": list(names), "pixels": pixels.tolist()},
        record={"batch": str(report.output)},
        **given.planes[0].placement,
    )
    mark(layer, Origin("batch", given.planes[0].layer, model=model))
    return layer


def place_of(key: str) -> tuple[Path, int]:
    """File and plane of a key of the ledger; a name may hold a # itself."""
    path, _, plane = key.rpartition("#")
    if path and plane.isdigit() and not is_file(found_as(key)):
        return found_as(path), int(plane)
    return found_as(key), 0


def open_job(entry: Entry, output: Path) -> Steps[list[Layer]]:
    """Layers of an image of a batch, with its mask where there is one."""
    from napari_construct.data.stacks import read_plane
    from napari_construct.results.read import load_result

    yield Event("reading the image", 0, 1)
    path, plane = place_of(entry.key)
    if {"cells", "table"} & set(entry.files):
        return _channel_layers(entry, output, path, plane)
    if "zarr" in entry.files and is_pyramid(output / entry.files["zarr"]):
        return _slide_layers(entry, path, output / entry.files["zarr"])
    image = read_plane(path, plane)
    place = placement(image.mpp)
    layers: list[Layer] = [Image(image.pixels, name=entry.name, rgb=True, **place)]
    if "mask" in entry.files:
        stored = load_result(output / entry.files["mask"])
        layers.append(
            labels_layer(
                stored.labels,
                stored.classes,
                entry.name,
                features=label_features(stored),
                record=stored.record,
                **place,
            )
        )
    return layers


def _slide_layers(entry: Entry, path: Path, pyramid: Path) -> list[Layer]:
    """The slide as its reader shows it, with its labels."""
    from napari_construct.data.slides.slide import open_slide

    labels, _ = pyramid_layers(pyramid)
    found = open_pyramid(pyramid)
    slide = open_slide(path)
    options = slide_options(slide) | {"name": entry.name}
    if found.pixel is not None:  # the size that was given for the run, where the file states none
        sides = tuple(side / found.downsample for side in found.pixel)
        options |= {"scale": sides if slide.mpp is None else slide.mpp, "units": ("micrometer",) * 2}
    return [Image(slide_arrays(slide), **options), *labels]


def _channel_layers(entry: Entry, output: Path, path: Path, plane: int) -> list[Layer]:
    """The channel that a student looked at, with its cells."""
    from napari_construct.data.channels.read import count_channel_planes, read_channels
    from napari_construct.export.own_files import read_record

    image = read_channels(path, plane=plane if count_channel_planes(path) > 1 else None)
    record = output / entry.files["record"]
    channel = str(read_record(record).get("input", {}).get("channel", ""))
    pixels = image.pixels[image.names.index(channel) if channel in image.names else 0]
    found = layers_of(record) if {"cells", "mask"} & set(entry.files) else []
    return [Image(pixels, name=entry.name, **placement(image.mpp)), *found]
