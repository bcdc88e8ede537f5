"""The jobs behind Prototypes, without a widget; everything here runs in the worker's thread."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_construct.data.images import ImageFile
from napari_construct.encoders.folders import models_folder
from napari_construct.events import Doubt, Event, Notice, Steps
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.jobs.notices import without_size
from napari_construct.widgets.jobs.plans import compare_plan, top_plan
from napari_construct.widgets.jobs.predictors import GetPredictor, load_steps
from napari_construct.widgets.layers import Plane, layer_shape, plane_at
from napari_construct.widgets.prototypes.layers import deciding_layer, similarity_layer
from napari_construct.widgets.prototypes.requests import (
    Compared,
    CompareRequest,
    ForgetRequest,
    LayerMade,
    ModelLoaded,
    RegionRequest,
    Saved,
    SaveRequest,
    TopFound,
    TopRequest,
    WordsRequest,
)

if TYPE_CHECKING:
    from napari_construct.batch.sources import Source
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.prototypes.top_patches import TopPatches


def load_job(get_predictor: GetPredictor) -> Steps[ModelLoaded]:
    """Load a model and list its prototypes."""
    return about((yield from load_steps(get_predictor)))


def about(predictor: Predictor) -> ModelLoaded:
    """What the widget shows of a model."""
    from napari_construct.exceptions import EncoderError
    from napari_construct.inference.prototypes.names import prototypes_of
    from napari_construct.models.network.prompts import as_text_encoder

    words = ""
    network: Any = predictor.network  # of one of two architectures
    try:
        as_text_encoder(network.encoder)
        width = network.head.prototypes.vectors.shape[-1] if hasattr(network.head, "prototypes") else 0
        if width != predictor.spec.embedding_width:
            words = "This model's prototypes did not start from words: paint a region instead."
    except EncoderError:
        words = f"The encoder {predictor.spec.id} knows no words: paint a region instead."
    return ModelLoaded(predictor, prototypes_of(predictor.checkpoint), words)


def compare_job(request: CompareRequest) -> Steps[Compared]:
    """Compare a plane with every prototype."""
    from napari_construct.inference.prototypes.names import find_prototype
    from napari_construct.inference.prototypes.similarity_maps import prototype_steps

    plane, settings = request.plane, request.settings
    yield compare_plan(plane)
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    yield Event("reading the image", 0, 1)
    seen, settings = _seen(plane, predictor, settings)
    shown = seen.rgb()
    for text in (*shown.notices, *plane.size_used(settings.mpp)[1]):
        yield Notice("reading the image", 1, 1, text)
    steps = prototype_steps(shown.rgb, predictor, settings, mpp=seen.mpp, name=plane.name)
    maps = yield from without_size(steps)
    yield Event("making the layer", 0, 1)
    prototype = find_prototype(maps.prototypes, settings.prototype)
    del predictor  # layers keep the frame they were made in, and with it the network
    placed = replace(seen, data=plane.data)
    return Compared(maps, placed, similarity_layer(maps, placed, prototype.name))


def _seen(plane: Plane, predictor: Predictor, settings: PrototypeSettings) -> tuple[Plane, PrototypeSettings]:
    """The plane as the model looks at it, and the settings for its pixels."""
    seen = plane.for_model(predictor, settings.mpp)
    return seen, settings if seen is plane else settings.changed(mpp=None)


def deciding_job(compared: Compared) -> Steps[LayerMade]:
    """A labels layer of the prototype that decides each pixel."""
    yield Event("making the layer", 0, 1)
    layer = deciding_layer(compared.maps, compared.plane)
    return LayerMade(layer, "On view: which prototype decides each place, in the colours of the list.")


def sample_job(compared: Compared, prototype: str) -> Steps[tuple[str, NDArray[np.float32]]]:
    """The map of another prototype, of what was compared already."""
    yield Event("similarity", 0, 1)
    return prototype, compared.plane.embed(compared.maps.of(prototype))


def words_job(request: WordsRequest) -> Steps[ModelLoaded]:
    """Add a prototype from a description."""
    from napari_construct.inference.prototypes.place import changed_predictor, place_text

    yield Event("placing the prototype", 0, 1)
    predictor = request.get_predictor()
    return about(changed_predictor(predictor, place_text(predictor, request.tissue, request.text)))


def region_job(request: RegionRequest) -> Steps[ModelLoaded]:
    """Add a prototype from a painted region."""
    from napari_construct.inference.prototypes.place import changed_predictor, place_region_steps

    plane = request.plane
    yield Event("reading the image", 0, 1)
    predictor = request.get_predictor()
    shown = plane.rgb()
    region, tissue, settings = request.region, request.tissue, request.settings
    checkpoint = yield from place_region_steps(
        shown.rgb, region, predictor, tissue, settings, mpp=plane.mpp, name=plane.name
    )
    return about(changed_predictor(predictor, checkpoint))


def forget_job(request: ForgetRequest) -> Steps[ModelLoaded]:
    """Remove an added prototype."""
    from napari_construct.inference.prototypes.place import changed_predictor
    from napari_construct.models.checkpoints.placed_prototypes import without_placed

    yield Event("removing the prototype", 0, 1)
    predictor = request.get_predictor()
    return about(changed_predictor(predictor, without_placed(predictor.checkpoint, request.number)))


def save_job(request: SaveRequest) -> Steps[Saved]:
    """Write the changed model."""
    from napari_construct.models.checkpoints.checkpoint import save_checkpoint

    yield Event("saving", 0, 1)
    return Saved(save_checkpoint(request.path, request.get_predictor().checkpoint), request.use)


def free_path(model: str) -> Path:
    """Where a changed model can be kept among the user's own, under a name that is not taken."""
    stem, number = f"{Path(model).stem}-placed", 1
    while (path := models_folder() / f"{stem}{number}.construct").exists():
        number += 1
    return path


def top_job(request: TopRequest) -> Steps[TopFound]:
    """The gallery of a prototype, over the files of a folder or over planes."""
    from napari_construct.batch.sources import find_sources
    from napari_construct.inference.prototypes.top_patches import top_patches_steps

    given = request.given
    yield Event("loading the model", 0, 1)
    predictor = request.get_predictor()
    sources = (
        find_sources([given])
        if isinstance(given, Path)
        else [_source(plane, i, len(given)) for i, plane in enumerate(given)]
    )
    yield top_plan(len(sources))
    return TopFound((yield from top_patches_steps(sources, predictor, request.settings)))


def top_summary(found: TopPatches) -> tuple[str, list[str]]:
    """How a search for patches ended, and what could not be read."""
    count = len(found.patches)
    return f"{count} patch{'' if count == 1 else 'es'} found.", [
        Doubt(f"{key}: {why}") for key, why in found.failed
    ]


def planes_of(layer: Image) -> tuple[Plane, ...]:
    """Every plane of an image layer."""
    return tuple(plane_at(layer, index) for index in product(*map(range, layer_shape(layer)[:-2])))


def _source(plane: Plane, number: int, planes: int) -> Source:
    """A plane of a layer, read when it is its turn."""
    from napari_construct.batch.sources import array_source

    def read() -> ImageFile:
        shown = plane.rgb()
        return ImageFile(shown.rgb, plane.mpp, shown.notices, Path(plane.path or plane.name), shown.valid)

    return array_source(plane.name, read, stem=plane.name, plane=number, planes=planes)
