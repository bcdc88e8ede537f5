"""The jobs behind Prototypes, without a widget; everything here runs in the worker's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.images import ImageFile
from napari_construct.encoders.folders import models_folder
from napari_construct.events import Event, Notice, Steps
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.jobs.predictors import ModelChoice, load_steps
from napari_construct.widgets.layers import Plane, layer_shape, plane_at
from napari_construct.widgets.prototypes.layers import deciding_layer, similarity_layer

if TYPE_CHECKING:
    from napari_construct.batch.sources import Source
    from napari_construct.inference.prototypes.names import Prototype

GetPredictor = Callable[[], Any]


@dataclass(frozen=True, slots=True, eq=False)
class ModelLoaded:
    """A model with its prototypes; ``words`` says why it cannot take words, or nothing."""

    predictor: Any
    prototypes: tuple[Prototype, ...]
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """An image was compared with all prototypes; ``layer`` shows one of them."""

    maps: Any
    plane: Plane
    layer: Any


@dataclass(frozen=True, slots=True, eq=False)
class LayersMade:
    """Layers that are to be added, and what to say."""

    layers: tuple[Any, ...]
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A changed model was written."""

    path: Path
    use: bool


def load_job(
    model: ModelChoice, device: str, get_predictor: Callable[[ModelChoice, str], Any]
) -> Steps[ModelLoaded]:
    """Load a model and list its prototypes."""
    return about((yield from load_steps(model, device, get_predictor)))


def about(predictor: Any) -> ModelLoaded:
    """What the widget shows of a model."""
    from napari_construct.exceptions import EncoderError
    from napari_construct.inference.prototypes.names import prototypes_of
    from napari_construct.models.network.prompts import as_text_encoder

    words, network = "", predictor.network
    try:
        as_text_encoder(network.encoder)
        width = network.head.prototypes.vectors.shape[-1] if hasattr(network.head, "prototypes") else 0
        if width != predictor.spec.embedding_width:
            words = "This model's prototypes did not start from words: paint a region instead."
    except EncoderError:
        words = f"The encoder {predictor.spec.id} knows no words: paint a region instead."
    return ModelLoaded(predictor, prototypes_of(predictor.checkpoint), words)


def compare_job(plane: Plane, get_predictor: GetPredictor, settings: PrototypeSettings) -> Steps[Compared]:
    """Compare a plane with every prototype."""
    from napari_construct.inference.prototypes.names import find_prototype
    from napari_construct.inference.prototypes.similarity_maps import prototype_steps

    yield Event("loading the model", 0, 1)
    predictor = get_predictor()
    yield Event("reading the image", 0, 1)
    pixels, notices = plane.rgb()
    for text in notices:
        yield Notice("reading the image", 1, 1, text)
    maps = yield from prototype_steps(pixels, predictor, settings, mpp=plane.mpp, name=plane.name)
    yield Event("making the layer", 0, 1)
    prototype = find_prototype(maps.prototypes, settings.prototype)
    del predictor  # layers keep the frame they were made in, and with it the network
    return Compared(maps, plane, similarity_layer(maps, plane, prototype.name))


def deciding_job(maps: Any, plane: Plane) -> Steps[LayersMade]:
    """A labels layer of the prototypes that decide."""
    yield Event("making the layer", 0, 1)
    return LayersMade((deciding_layer(maps, plane),), "Added: which prototype decides.")


def sample_job(maps: Any, plane: Plane, prototype: str) -> Steps[tuple[str, NDArray[np.float32]]]:
    """The map of another prototype, of what was compared already."""
    yield Event("similarity", 0, 1)
    return prototype, plane.embed(maps.of(prototype))


def words_job(get_predictor: GetPredictor, tissue: str, text: str) -> Steps[ModelLoaded]:
    """A prototype more, from words."""
    from napari_construct.inference.prototypes.place import changed_predictor, place_text

    yield Event("placing the prototype", 0, 1)
    predictor = get_predictor()
    return about(changed_predictor(predictor, place_text(predictor, tissue, text)))


def region_job(
    plane: Plane,
    region: NDArray[np.bool_],
    get_predictor: GetPredictor,
    tissue: str,
    settings: PrototypeSettings,
) -> Steps[ModelLoaded]:
    """A prototype more, from a painted region."""
    from napari_construct.inference.prototypes.place import changed_predictor, place_region_steps

    yield Event("reading the image", 0, 1)
    predictor = get_predictor()
    pixels, _ = plane.rgb()
    checkpoint = yield from place_region_steps(
        pixels, region, predictor, tissue, settings, mpp=plane.mpp, name=plane.name
    )
    return about(changed_predictor(predictor, checkpoint))


def forget_job(get_predictor: GetPredictor, number: int) -> Steps[ModelLoaded]:
    """Without the placed prototype of this number."""
    from napari_construct.inference.prototypes.place import changed_predictor
    from napari_construct.models.checkpoints.placed_prototypes import without_placed

    yield Event("taking the prototype away", 0, 1)
    predictor = get_predictor()
    return about(changed_predictor(predictor, without_placed(predictor.checkpoint, number)))


def save_job(get_predictor: GetPredictor, path: Path, use: bool) -> Steps[Saved]:
    """Write the changed model."""
    from napari_construct.models.checkpoints.checkpoint import save_checkpoint

    yield Event("saving", 0, 1)
    return Saved(save_checkpoint(path, get_predictor().checkpoint), use)


def free_path(model: str) -> Path:
    """Where a changed model can be kept among the user's own, under a name that is not taken."""
    stem, number = f"{Path(model).stem}-placed", 1
    while (path := models_folder() / f"{stem}{number}.construct").exists():
        number += 1
    return path


def top_job(
    given: Path | Sequence[Plane], get_predictor: GetPredictor, settings: PrototypeSettings
) -> Steps[Any]:
    """The gallery of a prototype, over the files of a folder or over planes."""
    from napari_construct.batch.sources import find_sources
    from napari_construct.inference.prototypes.top_patches import top_patches_steps

    yield Event("loading the model", 0, 1)
    predictor = get_predictor()
    sources = (
        find_sources([given])
        if isinstance(given, Path)
        else [_source(plane, i, len(given)) for i, plane in enumerate(given)]
    )
    return (yield from top_patches_steps(sources, predictor, settings))


def top_summary(found: Any) -> tuple[str, list[str]]:
    """How a search for patches ended, and what could not be read."""
    count = len(found.patches)
    return f"{count} patch{'' if count == 1 else 'es'} found.", [f"{key}: {why}" for key, why in found.failed]


def planes_of(layer: Any) -> list[Plane]:
    """Every plane of an image layer."""
    return [plane_at(layer, index) for index in product(*map(range, layer_shape(layer)[:-2]))]


def _source(plane: Plane, number: int, planes: int) -> Source:
    """A plane of a layer, read when it is its turn."""
    from napari_construct.batch.sources import array_source

    def read() -> ImageFile:
        pixels, notices = plane.rgb()
        return ImageFile(pixels, plane.mpp, notices, Path(plane.path or plane.name))

    return array_source(plane.name, read, stem=plane.name, plane=number, planes=planes)
