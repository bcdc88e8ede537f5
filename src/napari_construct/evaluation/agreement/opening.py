"""Whatever holds an annotation as one side of a comparison, and both sides on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from napari_construct.annotations import Feature
from napari_construct.classes import MAX_CLASSES, ClassTable
from napari_construct.data.geojson import read_geojson
from napari_construct.data.image_header import read_header
from napari_construct.data.label_table import TABLE_SUFFIXES
from napari_construct.data.mask_values import IGNORED, mask_reading
from napari_construct.data.masks import read_mask
from napari_construct.data.slides.large import large_slide
from napari_construct.evaluation.agreement.settings import AgreementSettings
from napari_construct.evaluation.agreement.sides import MaskSide, ObjectSide, Side
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.geojson import ENDINGS
from napari_construct.export.own_files import is_pyramid
from napari_construct.reading.places import is_folder
from napari_construct.results.measured import open_result
from napari_construct.results.read import reader_of
from napari_construct.results.segmentation import Segmentation
from napari_construct.results.stored_pyramid import StoredPyramid

Annotation: TypeAlias = Any
"""A path, a result, labels as array or as (array, classes), or an iterable of features."""

_LARGEST: Final = 2**40


class Sides(NamedTuple):
    """Two annotations on one grid of ``shape``, whose pixels are ``downsample`` of the image's."""

    first: Side
    second: Side
    shape: tuple[int, int]
    downsample: float
    notices: tuple[str, ...]


def is_objects(given: Annotation) -> bool:
    """Whether an annotation is outlined objects: a GeoJSON file, or features."""
    if isinstance(given, str | Path):
        name = Path(given).name.lower()
        return name.endswith(ENDINGS) or (name.endswith(".json") and reader_of(Path(given)) is None)
    return not isinstance(given, tuple | Segmentation | StoredPyramid) and not hasattr(given, "shape")


def is_label_table(given: Annotation) -> bool:
    """Whether it is a table of image-level labels, by its name."""
    return isinstance(given, str | Path) and Path(given).suffix.lower() in TABLE_SUFFIXES


def open_sides(
    first: Annotation,
    second: Annotation,
    settings: AgreementSettings,
    *,
    classes: ClassTable | None = None,
    image: Any = None,
) -> Sides:
    """Open two annotations of one image.

    Parameters
    ----------
    first, second : path, result, array, (array, ClassTable) or iterable of Feature
        Masks say by themselves what their values are, or by ``classes``, or by the other side's classes; else
        the values are the names.
    settings : AgreementSettings
        ``locked``, ``downsample`` and ``first_class``.
    classes : ClassTable, optional
        Of masks that name none.
    image : path or (int, int), optional
        The image or slide, or its rows and columns, where both sides are objects; by default all that holds
        them.

    Raises
    ------
    InputError
        If one cannot be read, or they are of images of different sizes.
    """
    notices: list[str] = []
    masks = [None if is_objects(one) else _mask(one) for one in (first, second)]
    known = classes or next((_table(one) for one in masks if one is not None and one.names), None)
    sides: list[MaskSide | None] = []
    for given, mask in zip((first, second), masks, strict=True):
        if mask is not None and not mask.names:
            mask = _named(given, mask, known, settings)  # noqa: PLW2901
        sides.append(mask)
    shapes = {(one.shape, one.downsample) for one in sides if one is not None}
    if len(shapes) > 1:
        (one, step), (other, other_step) = sorted(shapes)
        raise InputError(
            f"expected two masks of one size, got {one[0]} x {one[1]} and {other[0]} x {other[1]} pixels"
            + (f" of {step:g} and {other_step:g} pixels of the image" if step != other_step else "")
            + "; check that they are of the same image, at the same resolution"
        )
    shape, downsample = next(iter(shapes), (None, settings.downsample))
    opened: list[Side] = []
    for given, ready in zip((first, second), sides, strict=True):
        if ready is not None:
            opened.append(ready)
            continue
        features, name = _features(given), _name(given)
        opened.append(ObjectSide.of(name, features, locked=settings.locked, downsample=downsample))
    if shape is None:
        shape = _size(image, downsample)
        if shape is None:
            shape = _extent(opened)
            notices.append(
                "the image's size is not known: the smallest rectangle from its corner that holds all "
                "objects is compared; name the image to compare all of it"
            )
    notices += [text for opened_side in opened for text in opened_side.notices]
    return Sides(opened[0], opened[1], shape, downsample, tuple(notices))


def _mask(given: Annotation) -> MaskSide:
    """A mask; without names where it does not say what its values are."""
    name, found = _name(given), given
    if isinstance(given, str | Path):
        path = Path(given)
        if is_folder(path) or is_pyramid(path) or reader_of(path) is not None:
            found = open_result(path)
        else:
            return MaskSide(name, (), read_mask(path))
    if isinstance(found, StoredPyramid):
        found.check_complete()
        return MaskSide(name, found.classes.names, found.labels[0], found.downsample)
    if isinstance(found, Segmentation):
        return MaskSide(name, found.classes.names, _plane(found.labels, name))
    labels, table = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    names = tuple(table.names if isinstance(table, ClassTable) else table or ())
    return MaskSide(name, names, _plane(labels, name))


def _plane(labels: Any, name: str) -> Any:
    kind = np.dtype(labels.dtype).kind
    if len(labels.shape) != 2 or kind not in "bui":
        raise InputError(
            f"{name}: expected labels of two axes and whole numbers, got {labels.dtype} "
            f"{tuple(labels.shape)}; give one plane of a mask"
        )
    return labels.astype(np.uint8) if kind == "b" else labels


def _named(
    given: Annotation, mask: MaskSide, known: ClassTable | None, settings: AgreementSettings
) -> MaskSide:
    """A mask with the classes of its values."""
    if known is None:
        values = [value for value in np.unique(mask.labels).tolist() if value]
        if len(values) > MAX_CLASSES:
            raise InputError(
                f"{mask.name}: expected at most {MAX_CLASSES} values of a mask of classes, got "
                f"{len(values)}; numbers of cells are no classes"
            )
        labels = np.searchsorted(np.array([0, *values]), mask.labels)
        said = f"{mask.name}: its values are taken as names of classes, and 0 as none, as none are named"
        return MaskSide(mask.name, tuple(map(str, values)), labels, notices=(said,))
    if not isinstance(given, str | Path):  # labels as they are everywhere in this package
        return MaskSide(mask.name, known.names, mask.labels)
    reading = mask_reading([Path(given)], known, first_class=settings.first_class)
    truth = reading.truth(Path(given), np.asarray(mask.labels), strict=True).astype(np.int16)
    labels = np.where(truth == IGNORED, 0, truth + 1)
    return MaskSide(mask.name, known.names, labels, notices=(f"{mask.name}: {reading.words}",))


def _table(side: MaskSide) -> ClassTable:
    return ClassTable.from_names(side.names)


def _features(given: Annotation) -> Iterable[Feature]:
    return read_geojson(given) if isinstance(given, str | Path) else given


def _name(given: Annotation) -> str:
    if isinstance(given, str | Path):
        return Path(given).name
    if isinstance(given, Segmentation | StoredPyramid):
        return "result" if isinstance(given, Segmentation) else given.path.name
    return "labels" if isinstance(given, tuple) or hasattr(given, "shape") else "objects"


def _size(image: Any, downsample: float) -> tuple[int, int] | None:
    """Rows and columns of the grid of an image, or None where there is none."""
    if image is None:
        return None
    if isinstance(image, str | Path):
        slide = large_slide(image)
        if slide is not None:
            with slide:
                rows, columns = slide.shape
        else:
            header = read_header(image)
            rows, columns = header.rows, header.columns
    else:
        rows, columns = image
    return int(np.ceil(rows / downsample)), int(np.ceil(columns / downsample))


def _extent(sides: Sequence[Side]) -> tuple[int, int]:
    extents = [side.extent() for side in sides if isinstance(side, ObjectSide)]
    rows, columns = max(one[0] for one in extents), max(one[1] for one in extents)
    if not rows * columns:
        raise ConfigurationError(
            "expected objects with a class in one annotation at least, got none; give their objects a class, "
            "and save again"
        )
    if rows * columns > _LARGEST:
        raise InputError(
            f"expected objects within {_LARGEST:,} pixels, got {rows} x {columns}; check their coordinates"
        )
    return rows, columns
