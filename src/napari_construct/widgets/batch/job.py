"""The job behind Batch, without a widget: find the images, run them, make layers of what came from layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_construct.batch.ledger import Entry
from napari_construct.batch.settings import BatchSettings
from napari_construct.data.images import ImageFile
from napari_construct.events import Event, Steps
from napari_construct.results.areas import class_pixels
from napari_construct.widgets.files.stored import placement
from napari_construct.widgets.jobs.predictors import GetPredictor
from napari_construct.widgets.layers import Plane, label_features, labels_layer, layer_shape, plane_at

if TYPE_CHECKING:
    from napari_construct.batch.runner import BatchReport
    from napari_construct.batch.sources import Source
    from napari_construct.inference.activation.predictor import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class LayerInput:
    """An image layer, plane by plane, as it was when the batch was started."""

    name: str
    stem: str
    planes: tuple[Plane, ...]
    shape: tuple[int, ...]


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
    """

    inputs: tuple[Path | LayerInput, ...]
    settings: BatchSettings
    output: Path
    get_predictor: GetPredictor
    restart: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BatchOutcome:
    """The report, and label layers for the image layers among the inputs."""

    report: BatchReport
    layers: tuple[Labels, ...]


def layer_input(layer: Any) -> LayerInput:
    """All planes of an image layer."""
    shape = layer_shape(layer)
    planes = tuple(plane_at(layer, index) for index in product(*map(range, shape[:-2])))
    stem = re.sub(r"[^\w\-]+", "_", layer.name).strip("_") or "layer"
    return LayerInput(layer.name, stem, planes, shape)


def batch_job(request: BatchRequest) -> Steps[BatchOutcome]:
    """The whole job, in the worker's thread."""
    settings = request.settings
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    from napari_construct.batch.runner import run_batch_steps
    from napari_construct.batch.sources import find_sources

    yield Event("looking for images", 0, 1)
    paths = [one for one in request.inputs if isinstance(one, Path)]
    layers = [one for one in request.inputs if isinstance(one, LayerInput)]
    sources = [*(find_sources(paths) if paths else ()), *(s for one in layers for s in _sources(one))]
    found = tuple((source.key, source.stem) for source in sources)
    yield SourcesFound("looking for images", 1, 1, items=found)
    output, restart = request.output, request.restart
    report = yield from run_batch_steps(sources, predictor, settings, output, restart=restart)
    yield Event("making the layers", 0, 1)
    made = [_layer(one, report, predictor) for one in layers] if "mask" in settings.outputs else []
    return BatchOutcome(report, tuple(layer for layer in made if layer is not None))


def _sources(given: LayerInput) -> list[Source]:
    from napari_construct.batch.sources import array_source

    def reader(plane: Plane) -> Callable[[], ImageFile]:
        def read() -> ImageFile:
            pixels, notices = plane.rgb()
            return ImageFile(pixels, plane.mpp, notices, Path(plane.name))

        return read

    count = len(given.planes)
    return [
        array_source(given.name, reader(plane), stem=given.stem, plane=i, planes=count)
        for i, plane in enumerate(given.planes)
    ]


def _layer(given: LayerInput, report: BatchReport, predictor: Predictor) -> Labels | None:
    """The masks of a layer's planes in its own shape; planes that failed are empty."""
    from napari_construct.data.masks import read_mask

    count = len(given.planes)
    keys = [given.name if count == 1 else f"{given.name}#{i}" for i in range(count)]
    entries = {entry.key: entry for entry in report.entries}
    done = [entries[key].state == "done" for key in keys]
    if not any(done):
        return None
    labels = np.zeros((count, *given.shape[-2:]), np.uint8)
    for i, key in enumerate(keys):
        if done[i]:
            labels[i] = read_mask(report.output / entries[key].files["mask"])
    names = predictor.classes.names
    pixels = class_pixels(labels, len(names))
    return labels_layer(
        labels.reshape(given.shape),
        predictor.classes,
        given.name,
        features={"index": list(range(1, len(names) + 1)), "class": list(names), "pixels": pixels.tolist()},
        record={"batch": str(report.output)},
        **given.planes[0].placement,
    )


def at(key: str) -> tuple[Path, int]:
    """File and plane of a key of the ledger; a name may hold a # itself."""
    path, _, plane = key.rpartition("#")
    if path and plane.isdigit() and not Path(key).is_file():
        return Path(path), int(plane)
    return Path(key), 0


def open_job(entry: Entry, output: Path) -> Steps[list[Layer]]:
    """Layers of an image of a batch, with its mask where there is one."""
    from napari_construct.data.stacks import read_plane
    from napari_construct.results.read import load_result

    yield Event("reading the image", 0, 1)
    path, plane = at(entry.key)
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
