"""The jobs behind Evaluate, without a widget: layers against layers, folders, one image of a folder.

Those of students on one channel are in :mod:`~napari_construct.widgets.evaluate.cells.job`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.listing import list_images
from napari_construct.data.mask_values import IGNORED, mask_reading
from napari_construct.data.masks import Pairs, find_pairs, read_mask, read_values
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConstructError, DatasetError, InputError
from napari_construct.metrics.class_order import other_reading
from napari_construct.metrics.first_class import value_counts
from napari_construct.metrics.segmentation import confusion_matrix
from napari_construct.widgets.evaluate.errors import errors_layer, errors_of
from napari_construct.widgets.evaluate.scores import Scored
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.files.stored import placement
from napari_construct.widgets.jobs.imports import importing
from napari_construct.widgets.jobs.plans import images_plan
from napari_construct.widgets.layers import METADATA_KEY, Origin, labels_layer, mark, twin_placement
from napari_construct.widgets.parts.order_row import without_notice


@dataclass(frozen=True, slots=True, eq=False)
class LayerPair:
    """Two labels layers as they were when the job was started.

    Attributes
    ----------
    names : tuple of str
        Of the prediction's layer and of the truth's.
    prediction, truth : array-like
        Labels, not read yet.
    classes : tuple of str
        What the prediction's layer says; empty where it does not.
    placement : mapping
        Puts a new layer where the prediction lies.
    ids : tuple of hashable
        ``unique_id`` of both layers.
    """

    names: tuple[str, str]
    prediction: Any
    truth: Any
    classes: tuple[str, ...]
    placement: Mapping[str, Any]
    ids: tuple[Hashable, Hashable] = (None, None)


@dataclass(frozen=True, slots=True, eq=False)
class LayersRequest:
    """Compare two labels layers."""

    pair: LayerPair
    settings: EvaluateSettings


@dataclass(frozen=True, slots=True)
class FoldersRequest:
    """Run a model over images and compare with masks; without ``masks`` they lie in img and mask inside."""

    images: Path
    masks: Path | None
    settings: EvaluateSettings


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """Open one image of folders; ``table`` holds the classes of its mask."""

    image: Path
    mask: Path
    settings: EvaluateSettings
    table: ClassTable


@dataclass(frozen=True, slots=True, eq=False)
class OpenedImage:
    """An image of folders with truth, prediction and errors."""

    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """Scores, and the layers that show them."""

    scored: Scored
    layers: tuple[Layer, ...] = ()


def layer_pair(prediction: Any, truth: Any) -> LayerPair:
    """Two labels layers; to be called in the GUI thread.

    Raises
    ------
    InputError
        If they differ in shape.
    """
    data, other = (layer.data[0] if layer.multiscale else layer.data for layer in (prediction, truth))
    if data.shape != other.shape:
        raise InputError(
            f"expected labels of one shape, got {data.shape} in {prediction.name} and {other.shape} in "
            f"{truth.name}; choose layers of the same image"
        )
    known = prediction.metadata.get(METADATA_KEY, {}).get("classes") or ()
    names = tuple(map(str, known)) or _named_in_features(prediction) or _named_in_features(truth)
    ids = prediction.unique_id, truth.unique_id
    return LayerPair((prediction.name, truth.name), data, other, names, twin_placement(prediction), ids)


def _named_in_features(layer: Any) -> tuple[str, ...]:
    """Class names of a layer's table, where they are those of labels 1, 2, ..."""
    features = layer.features
    if "class" not in features or "index" not in features:
        return ()
    if features["index"].tolist() != list(range(1, len(features) + 1)):
        return ()
    return tuple(map(str, features["class"]))


def evaluate_job(request: LayersRequest | FoldersRequest) -> Steps[Evaluated]:
    """Compare two layers, or run a model over folders of images and masks."""
    return layers_job(request) if isinstance(request, LayersRequest) else folders_job(request)


def layers_job(request: LayersRequest) -> Steps[Evaluated]:
    """Count, plane by plane, and map the errors.

    Raises
    ------
    InputError
        If the truth holds values that are neither a class nor ignored.
    """
    from napari_construct.widgets.evaluate import confusion_plot  # noqa: F401 - slow to import

    pair, settings = request.pair, request.settings
    planes = list(product(*map(range, pair.prediction.shape[:-2])))
    first = settings.first_in_layers
    ignore = {*settings.ignore, *({0} if first else ())}
    names = pair.classes
    if not names:
        names = yield from _numbered(pair, planes, first, ignore)
    k = len(names)
    values = np.zeros((k + 1, k + 1), dtype=np.int64)
    matrix = np.zeros((len(names), len(names) + 1), dtype=np.int64)
    errors = np.zeros(pair.prediction.shape, np.uint8)
    left_out = [value - first for value in ignore]
    for done, index in enumerate(planes):
        yield Event("comparing", done, len(planes))
        predicted = np.asarray(pair.prediction[index])
        stored = np.asarray(pair.truth[index])
        truth = stored.astype(np.int64) - first
        values += value_counts(stored, predicted, k, ~np.isin(stored, settings.ignore))
        matrix += confusion_matrix(truth, predicted, len(names), left_out)
        errors[index] = errors_of(truth, predicted, left_out)
    yield Event("making the layers", 0, 1)
    about: dict[str, Any] = {"prediction": pair.names[0], "truth": pair.names[1], "ignored": sorted(ignore)}
    about |= {"first_class": first}
    if not matrix.any():
        raise InputError(
            f"{pair.names[1]}: expected pixels of a class in the truth, got ignored ones only; check the "
            "value of the first class and the ignored values"
        )
    layer = errors_layer(errors, pair.names[0], **pair.placement)
    mark(layer, Origin("errors", pair.ids[0], pair.ids[1]))  # scored again, it is replaced
    said, _ = other_reading(values, matrix, first)
    return Evaluated(
        Scored(names, {"predicted": matrix}, about | ({"notice": said} if said else {})), (layer,)
    )


def _numbered(
    pair: LayerPair, planes: Sequence[tuple[int, ...]], first: int, ignore: set[int]
) -> Steps[tuple[str, ...]]:
    """Names for layers that know none: "class 1" up to the highest value of both."""
    highest = 1
    for done, index in enumerate(planes):
        yield Event("looking for classes", done, len(planes))
        truth = np.asarray(pair.truth[index])
        kept = truth[~np.isin(truth, list(ignore))]
        inside = int(kept.max()) + 1 - first if kept.size else 0
        highest = max(highest, int(np.asarray(pair.prediction[index]).max()), inside)
    if highest > 254:
        raise InputError(
            f"expected at most 254 classes, got the label {highest}; instance labels are no class mask"
        )
    return tuple(f"class {i + 1}" for i in range(highest))


def load_libraries() -> None:
    """Import what :func:`folders_job` and its outcome need."""
    with importing():
        from napari_construct.evaluation import evaluate  # noqa: F401 - this is the purpose
        from napari_construct.widgets.evaluate import confusion_plot  # noqa: F401


def folders_job(request: FoldersRequest) -> Steps[Evaluated]:
    """As ``napari-construct evaluate``; scores and intervals are computed here, not in the GUI thread."""
    pairs, settings = find_pairs(request.images, request.masks), request.settings
    yield Event("loading the model", 0, 1)
    load_libraries()
    from napari_construct.evaluation.evaluate import evaluate_steps
    from napari_construct.evaluation.scores.models import ScoredModels

    models = ScoredModels([settings.model], device=settings.device)
    yield Event("loading the model", 1, 1)
    yield images_plan(f"evaluate {settings.model}", settings.segment, len(pairs))
    steps = evaluate_steps(
        pairs, models, settings.segment, ignore=settings.ignore, first_class=settings.first_class
    )
    try:
        report = yield from without_notice(steps)
    except DatasetError as error:
        if _are_cells(pairs, len(models.classes), settings.ignore):
            raise DatasetError(
                f"{request.images}: expected masks of classes for a model of stained tissue, got numbered "
                "cells; choose a student on one channel as the model"
            ) from error
        raise
    yield Event("summing up", 0, 1)
    matrices: dict[str, NDArray[np.int64]] = {
        "predicted": report.confusion("predicted"),
        "oracle": report.confusion("oracle"),
    }
    return Evaluated(Scored(report.classes.names, matrices, {}, report, report.to_dict()))


def _are_cells(pairs: Pairs, classes: int, ignore: Collection[int]) -> bool:
    """Whether the first mask holds more values than a mask of classes can: a number for every cell."""
    try:
        found = set(np.unique(read_values(pairs.pairs[0][1])).tolist()) - {0, *ignore}
    except ConstructError:
        return False
    return len(found) > classes


def image_job(request: ImageRequest) -> Steps[OpenedImage]:
    """One image of folders as layers: image, truth, prediction, errors."""
    image, mask, settings, table = request.image, request.mask, request.settings, request.table
    load_libraries()
    from napari_construct.data.images import read_image
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.segment import segment_steps

    yield Event("loading the model", 0, 1)
    predictor = load_model(settings.model, device=settings.device)
    file = read_image(image)
    truth = file.known(read_mask(mask))
    result = yield from segment_steps(
        file.pixels, predictor, settings.segment, mpp=file.mpp, name=image.stem, valid=file.valid
    )
    yield Event("making the layers", 0, 1)
    place = placement(file.mpp)
    reading = mask_reading(
        list_images(mask.parent), table, first_class=settings.first_class, ignore=settings.ignore
    )
    truth = reading.truth(mask, truth)
    scored = truth != IGNORED
    shown = np.where(scored, truth.astype(np.int64) + 1, 0).astype(np.uint8)
    features = {"index": list(range(1, len(table) + 1)), "class": list(table.names)}
    truth_layer: Labels = labels_layer(shown, table, image.stem, features=features, record={}, **place)
    truth_layer.name, truth_layer.visible = f"{image.stem} (truth)", False
    errors = errors_layer(errors_of(truth.astype(np.int64), result.labels, [IGNORED]), image.stem, **place)
    prediction = labels_layer(
        result.labels, table, image.stem, features=features, record=result.record, **place
    )
    return OpenedImage(
        (Image(file.pixels, name=image.stem, rgb=True, **place), truth_layer, prediction, errors)
    )
